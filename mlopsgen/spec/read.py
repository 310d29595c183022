"""From a file to text: bounded, UTF-8, LF, and a clear word about anything else."""

from __future__ import annotations

import os
import re
import stat

from mlopsgen.diagnostics import Failed, Span, diagnose

MAX_BYTES = 1024 * 1024

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What YAML does not allow in a file, and the line ends of YAML 1.1 that are none in YAML 1.2."""


def read(path: str) -> str:
    """Text of a spec file.

    Raises:
        Failed: missing, not a file, unreadable, over 1 MiB, binary, not UTF-8, byte order mark, CR line ends.
    """
    return decode(read_bytes(path), path)


def read_bytes(path: str) -> bytes:
    """Content of a spec file, at most 1 MiB of it; raises `Failed` like `read`."""
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode) or not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise Failed([diagnose("E002", f"{path} is {kind}", path=path, help="name a file, such as mlops.yaml")])
        with open(path, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        help = "run `mlopsgen init` to write one, or name another file"
        raise Failed([diagnose("E001", f"there is no {path}", path=path, help=help)]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Failed([diagnose("E002", f"{path} cannot be read: {reason}", path=path)]) from None
    if len(data) > MAX_BYTES:
        help = "keep data out of the spec; it holds settings only"
        raise Failed([diagnose("E003", f"{path} is larger than 1 MiB", path=path, help=help)])
    return data


def decode(data: bytes, name: str) -> str:
    """UTF-8 text with LF line ends; raises `Failed` with the place of the first byte that is not."""
    if data.startswith(b"\xef\xbb\xbf"):
        help = "save the file as UTF-8 without a byte order mark"
        raise Failed([diagnose("E005", "the file begins with a byte order mark", span=at(name, 1, 1), help=help)])
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
        span = at(name, before.count(b"\n") + 1, column)
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise Failed([diagnose("E004", message, span=span, help="save the file as UTF-8")]) from None
    control = _CONTROL.search(text)
    if control:
        message = f"the file holds a control character (U+{ord(control[0]):04X})"
        help = "delete it, or write it as an escape in double quotes; if the file is binary, name another one"
        raise Failed([diagnose("E004", message, span=_offset(name, text, control.start()), help=help)])
    if "\r" in text:
        help = "convert to LF, and keep it so with `mlops.yaml text eol=lf` in .gitattributes"
        span = _offset(name, text, text.index("\r"))
        raise Failed([diagnose("E006", "the line ends with CR LF, not LF", span=span, help=help)])
    return text


def at(name: str, line: int, column: int) -> Span:
    """The span of one character."""
    return Span(name, line, column, line, column + 1)


def _offset(name: str, text: str, offset: int) -> Span:
    return at(name, text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))
