from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopsgen.output import digest as module
from mlopsgen.output.digest import digest, stream


def test_is_the_start_of_the_sha256() -> None:
    assert digest(b"a\n") == hashlib.sha256(b"a\n").hexdigest()[:32]


def test_line_ends_do_not_count_but_lone_carriage_returns_do() -> None:
    assert digest(b"a\r\nb\r\n") == digest(b"a\nb\n")
    assert digest(b"a\rb") != digest(b"a\nb")


@given(content=st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"x"])).map(b"".join), chunk=st.integers(1, 5))
def test_a_stream_says_the_same_wherever_it_is_cut(content: bytes, chunk: int) -> None:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", chunk)
        assert stream(reading) == digest(content)
    os.close(reading)


def test_a_stream_stops_at_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    for limit, expected in ((10, digest(b"x" * 10)), (9, None)):
        descriptor = os.open(path, os.O_RDONLY)
        assert stream(descriptor, limit) == expected
        os.close(descriptor)


def test_falls_back_where_the_interpreter_has_no_sha256_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "_sha256", None)
    monkeypatch.setitem(__import__("sys").modules, "_sha2", None)
    assert module._cheapest() is hashlib.sha256
