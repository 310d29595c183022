"""All judges over one layout."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Literal, NamedTuple

from mlopsgen.verify.execute import Ended, ask, program
from mlopsgen.verify.judge import Judge, Remark, Run, Said, Unreadable
from mlopsgen.verify.layout import Layout

State = Literal["clean", "found", "failed", "missing", "idle"]
"""Nothing wrong; something wrong; no verdict; not installed; nothing for it to look at."""

ACCEPTED = {
    ("actionlint", "runner-label"): "it knows GitHub's labels only: list yours in .github/actionlint.yaml",
    ("zizmor", "self-repository"): "`./` means the same file at the same commit, and more judges know it",
    ("zizmor", "self-hosted-runner"): "`ci.runners` asks for it; forks never get one",
}
"""Findings that docs/workflows.md explains, by judge and rule."""


class Verdict(NamedTuple):
    """What one judge said.

    Attributes:
        remarks: each once, those that are not accepted.
        accepted: those that are known and explained.
        notes: what it could not look at, and why it gave no verdict.
        files: how many it looked at.
    """

    judge: Judge
    installed: bool
    state: State
    version: str
    files: int
    remarks: tuple[Remark, ...]
    accepted: tuple[Remark, ...]
    notes: tuple[str, ...]
    seconds: float


class _Piece(NamedTuple):
    """What one call of a judge came to."""

    said: Said
    failure: str
    files: tuple[str, ...]
    seconds: float


def judged(
    judges: Sequence[Judge], layout: Layout, step: Callable[[int, int], None] = lambda done, total: None
) -> list[Verdict]:
    """Ask every judge that is installed.

    Args:
        step: told how many calls are done, and of how many.
    """
    home = os.path.join(os.path.dirname(layout.root), "home")
    os.makedirs(home, exist_ok=True)
    programs = {judge.name: program(judge.programs) for judge in judges}
    calls = [(judge, run) for judge in judges for run in judge.runs(layout, programs[judge.name] or judge.programs[0])]
    pieces: dict[str, list[_Piece]] = {judge.name: [] for judge in judges}
    with ThreadPoolExecutor(max_workers=max(1, min(4, os.cpu_count() or 1))) as pool:
        versions = {
            name: pool.submit(_version, path, judge, layout.root, home)
            for judge in judges
            if (name := judge.name) and (path := programs[name])
        }
        started = [
            (judge, pool.submit(_asked, programs[judge.name], run, home))
            for judge, run in calls
            if programs[judge.name]
        ]
        for done, _ in enumerate(as_completed(piece for _, piece in started)):
            step(done + 1, len(started))
        for judge, piece in started:
            pieces[judge.name].append(piece.result())
        known = {name: version.result() for name, version in versions.items()}
    busy = {judge.name for judge, _ in calls}
    return [
        _verdict(one, bool(programs[one.name]), one.name in busy, known.get(one.name, ""), pieces[one.name])
        for one in judges
    ]


def _asked(path: str, run: Run, home: str) -> _Piece:
    start = time.monotonic()
    answer = ask([path, *run.arguments], run.folder, home, run.seconds)
    said, failure = Said([]), ""
    if isinstance(answer, Ended):
        failure = answer.reason
    else:
        try:
            said = run.read(answer)
        except Unreadable as error:
            failure = str(error)
        except Exception as error:  # its words are not ours: whatever they break is its failure
            failure = f"its answer cannot be read: {type(error).__name__}: {error}"
    return _Piece(said, failure, run.files, time.monotonic() - start)


def _version(path: str, judge: Judge, folder: str, home: str) -> str:
    """The first number with dots that it says."""
    answer = ask([path, *judge.version], folder, home, 20)
    if isinstance(answer, Ended):
        return ""
    found = re.search(r"\d+(?:\.\d+)+", answer.out + answer.err)
    return found[0] if found else ""


def _verdict(judge: Judge, installed: bool, busy: bool, version: str, pieces: Sequence[_Piece]) -> Verdict:
    every = dict.fromkeys(remark for piece in pieces for remark in piece.said.remarks)
    accepted = tuple(remark for remark in every if (judge.name, remark.rule) in ACCEPTED)
    found = tuple(remark for remark in every if remark not in accepted)
    failures = dict.fromkeys(piece.failure for piece in pieces if piece.failure)
    notes = dict.fromkeys(note for piece in pieces for note in piece.said.notes)
    files = {key for piece in pieces for key in piece.files}
    seconds = sum(piece.seconds for piece in pieces)
    state: State = "clean"
    if not busy:
        state = "idle"
    elif not installed:
        state = "missing"
    elif failures:
        state = "failed"
    elif found:
        state = "found"
    return Verdict(judge, installed, state, version, len(files), found, accepted, (*failures, *notes), seconds)
