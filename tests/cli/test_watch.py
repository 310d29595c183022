"""`mlopsgen build --watch`, as a person at an editor sees it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_all import SPEC, write

SECONDS = 40.0


class Watched:
    """A watch that runs, and what it says."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "mlopsgen", "build", "--watch", *arguments]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.heard: list[str] = []

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def until(self, text: str) -> list[str]:
        """Lines up to and with the next one that holds a text, then up to the end of that build."""
        lines: list[str] = []
        end = time.monotonic() + SECONDS
        while not any(text in line for line in lines) or "watching" not in lines[-1]:
            left = end - time.monotonic()
            assert left > 0, f"not heard: {text!r}, but {self.heard}"
            try:
                lines.append(self._lines.get(timeout=left))
            except queue.Empty:
                continue
            self.heard.append(lines[-1])
        return lines

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(SECONDS)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[list[Watched]]:
    started: list[Watched] = []
    yield started
    for each in started:
        each.process.kill()
        each.process.wait()


def test_it_builds_again_and_survives_mistakes_and_editors(tmp_path: Path, watched: list[Watched]) -> None:
    write(tmp_path, {"a": "ant"})
    spec, params = tmp_path / "a" / "mlops.yaml", tmp_path / "a" / "params.yaml"
    good = spec.read_text()
    watch = Watched(tmp_path, "a")
    watched.append(watch)
    watch.until("files changed")
    spec.write_text(good + "training: {epochs: 5}\n")
    watch.until("a/mlops.yaml: 1 of")
    assert "epochs: 5.0" in params.read_text()
    spec.write_text(good + "trainin: {}\n")
    watch.until("error E101")
    (tmp_path / "new").write_text(good + "training: {epochs: 6}\n")
    os.replace(tmp_path / "new", spec)
    watch.until("a/mlops.yaml: 1 of")
    assert "epochs: 6.0" in params.read_text()
    spec.rename(tmp_path / "away")  # as editors do that keep the old file
    spec.write_text(good + "training: {epochs: 7}\n")
    watch.until("a/mlops.yaml: 1 of")
    assert not any("E001" in line for line in watch.heard)
    (tmp_path / "a" / "mlops.lock").unlink()
    watch.until("11 of 13")
    used = cpu(watch.process.pid)
    time.sleep(2)
    assert cpu(watch.process.pid) - used < 0.5
    assert watch.stop() == 0


@pytest.mark.parametrize("when", ["told", "written"])
def test_a_lock_that_is_removed_right_after_the_build_is_made_again(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlopsgen.cli import watch

    write(tmp_path, {"a": "ant"})
    monkeypatch.chdir(tmp_path)
    lock = tmp_path / "a" / "mlops.lock"
    removed = []

    def remove() -> None:
        if lock.exists() and not removed:
            lock.unlink()
            removed.append(True)

    if when == "told":
        monkeypatch.setattr(watch.click, "echo", lambda *_, **__: remove())
    else:
        monkeypatch.setattr(watch, "_lock", lambda place: (remove(), str(lock))[1])
    one = watch._Watch(["a"], False, 1, False)
    one._search(0.0)
    one._built = one._build(one._look())
    assert removed
    assert one._look() != one._built
    one._built = one._build(one._look())
    assert lock.exists()
    assert one._look() == one._built


@pytest.mark.slow
def test_it_watches_all_with_what_they_share(tmp_path: Path, watched: list[Watched]) -> None:
    write(tmp_path, {"a": "ant", "b": "bird"})
    watch = Watched(tmp_path, "--all")
    watched.append(watch)
    watch.until("2 specs: 2 changed")
    (tmp_path / "mlops.workspace.yaml").write_text("version: 1\ndefaults: {training: {epochs: 5}}\n")
    watch.until("2 specs: 2 changed")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mlops.yaml").write_text(SPEC.format(name="cat"))
    assert any(line.startswith("c/mlops.yaml: ") for line in watch.until("files changed"))
    assert watch.stop() == 0


def cpu(process: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
