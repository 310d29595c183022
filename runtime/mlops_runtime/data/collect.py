"""`mlops-runtime collect`: raw records from the project's own function."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

from mlops_runtime import parameters
from mlops_runtime.data.atomic import written
from mlops_runtime.errors import Mistaken
from mlopsgen.contract.files import PARAMS

FILE = "records.jsonl"


def collect() -> tuple[int, str]:
    """Call the function that `data.collect` names and write what it yields, in the working directory's project.

    The function takes nothing and yields mappings. They are written as JSON lines to `data.raw`, a file when its name
    ends in `.jsonl`, else a folder with one file. The file appears when it is complete.

    Returns:
        Number of records, and the path of the file.

    Raises:
        Mistaken: no parameters, another format, no such function, or something that is no record.
    """
    data = parameters.read("data")["data"]
    try:
        name, raw = data["collect"], data["raw"]
    except KeyError:
        raise Mistaken(f"{PARAMS} names no `data.collect`: set it in mlops.yaml and run `mlopsgen build`") from None
    if data.get("format", "jsonl") != "jsonl":
        raise Mistaken(
            f"`data.collect` writes JSON lines, and `data.format` is {data['format']}: set `format: jsonl` in "
            "mlops.yaml and run `mlopsgen build`"
        )
    path = raw if raw.endswith(".jsonl") else os.path.join(raw, FILE)
    return _write(_function(name)(), path, name), path


def _function(name: str) -> Callable[[], Iterable[Mapping[str, Any]]]:
    module, _, function = name.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        found: Callable[[], Iterable[Mapping[str, Any]]] = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise Mistaken(f"`data.collect: {name}`: there is no module {module} in this folder") from None
    except AttributeError:
        raise Mistaken(f"`data.collect: {name}`: {module} has no function {function}") from None
    return found


def _write(records: Iterable[Mapping[str, Any]], path: str, name: str) -> int:
    count = 0
    with written(path) as stream:
        for record in records:
            if not isinstance(record, Mapping):
                raise Mistaken(f"{name} yielded {type(record).__name__} as record {count + 1}: yield mappings")
            stream.write(_line(record, f"{name} yielded as record {count + 1}"))
            count += 1
        if not count:
            raise Mistaken(f"{name} yielded no record")
    return count


def _line(record: Mapping[str, Any], what: str) -> bytes:
    try:
        return f"{json.dumps(dict(record), ensure_ascii=False, allow_nan=False)}\n".encode()
    except (TypeError, ValueError) as error:
        raise Mistaken(f"{what} something that JSON does not have ({error}): yield texts, numbers, lists") from None
