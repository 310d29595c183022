"""`mlops-runtime prepare`: raw records normalised, without duplicates, in a training and a validation part.

Records are read once and kept, normalised, in a file beside the parts; in memory are at most some 480 bytes for each
(hashes, a signature, its place). Nothing here is fitted to data: the split depends on a record's group and the seed.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import IO, Any

import click

from mlops_runtime import parameters
from mlops_runtime.data import columns as known
from mlops_runtime.data import splitting
from mlops_runtime.data.atomic import write_json, written
from mlops_runtime.data.overlap import KINDS, Overlap, overlap
from mlops_runtime.data.progress import progress
from mlops_runtime.data.records import Unreadable, line, scan
from mlops_runtime.data.sketch import Sketches, clusters
from mlops_runtime.errors import Mistaken
from mlops_runtime.preprocessing import Preprocessing
from mlopsgen.contract import files

SPOOL = f"{files.PROCESSED}/.records.part"
"""Normalised records between the two passes; gone when the command ends."""

ROUNDS = 5
"""Times that the parts are written at most."""

DROPPED = {
    "unreadable": "no record: not JSON, or not as its file says",
    "missing": "a required value is missing",
    "wrong_type": "a value of another type",
    "blank": "blank, where that is not allowed",
    "duplicate": "the same as an earlier record",
    "near_duplicate": "nearly the same as an earlier record",
    "in_both_parts": "in validation, with a prompt of the training part",
}
"""Why records are left out."""


def prepare() -> int:
    """Prepare the data of the project in the working directory.

    Writes both parts and the report; prints what came in, what was left out and why.

    Returns:
        0, or 1 when the parts overlap all the same: then no part is written.

    Raises:
        Mistaken: no data, no record left, nothing to split.
    """
    given = parameters.read("data", "model")
    data, steps = given["data"], given["model"].get("preprocess", [])
    columns = known.checked(data["columns"])
    try:
        os.makedirs(files.PROCESSED, exist_ok=True)
        with open(SPOOL, "wb+") as spool:
            intake = _Intake(data, columns, Preprocessing(steps))
            intake.read(spool)
            report = _write(intake, intake.split(spool), spool)
    except _Overlapping as refused:
        report, found = refused.args
        write_json(files.PREPARATION, report)
        click.echo(_refusal(found), err=True)
        return 1
    finally:
        if os.path.exists(SPOOL):
            os.unlink(SPOOL)
    write_json(files.PREPARATION, report)
    click.echo(_said(report))
    return 0


class _Intake:
    """What is known of the records after the first pass. A side of -1 means left out."""

    def __init__(self, data: Mapping[str, Any], columns: known.Columns, preprocessing: Preprocessing) -> None:
        self.data, self.columns, self.preprocessing = data, columns, preprocessing
        self.group_by: str | None = data["split"].get("group_by")
        self.records = 0
        self.dropped: Counter[str] = Counter()
        self.offsets, self.groups, self.prompts = array("Q"), array("Q"), array("Q")
        self.sketches = Sketches()

    def read(self, spool: IO[bytes]) -> None:
        """First pass: normalise, drop exact duplicates, keep the rest in `spool`."""
        seen: set[int] = set()
        keys = (self.data.get("duplicates") or {}).get("columns")
        offset = 0
        for values in self._normalised():
            key = (
                known.digest(*(values.get(name) for name in keys)) if keys and any(k in values for k in keys) else None
            )
            key = int(values[known.ID], 16) if key is None else key
            if key in seen:
                self.dropped["duplicate"] += 1
                continue
            seen.add(key)
            self.offsets.append(offset)
            self.groups.append(known.group_key(values, self.columns, self.group_by))
            self.prompts.append(known.prompt_key(values, self.columns) or 0)
            self.sketches.add(known.written(values, self.columns))
            offset += spool.write(line(values))

    def _normalised(self) -> Iterator[dict[str, Any]]:
        textual = known.textual(self.data["format"])
        for found in progress(scan(self.data["raw"], self.data["format"]), "read"):
            self.records += 1
            if isinstance(found, Unreadable):
                self.dropped["unreadable"] += 1
                continue
            try:
                yield known.normalised(found.values, self.columns, self.preprocessing, textual=textual)
            except known.Dropped as reason:
                self.dropped[str(reason)] += 1

    def split(self, spool: IO[bytes]) -> list[int]:
        """The side of each record in `spool`: `TRAIN`, `VALIDATION`, or -1 for one that is left out."""
        first = clusters(self.sketches, lambda index: known.written(self.record(spool, index), self.columns))
        self.sketches = Sketches()  # their memory serves the comparison of the parts
        kept = [index for index, leader in enumerate(first) if leader == index]
        self.dropped["near_duplicate"] += len(first) - len(kept)
        if not kept:
            said = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items() if count)
            raise Mistaken(f"{self.data['raw']}: no record is left ({said or 'there was none'}): look at the data")
        if self.group_by is None:
            self._refuse_template(kept, spool)
        split = self.data["split"]
        chosen = splitting.sides([self.groups[index] for index in kept], split["validation"], split["seed"])
        sides = [-1] * len(first)
        for index, side in zip(kept, chosen, strict=True):
            sides[index] = side
        trained = {self.prompts[index] for index in kept if sides[index] == splitting.TRAIN} - {0}
        for index in kept:
            if sides[index] == splitting.VALIDATION and self.prompts[index] in trained:
                sides[index] = -1
                self.dropped["in_both_parts"] += 1
        return sides

    def _refuse_template(self, kept: list[int], spool: IO[bytes]) -> None:
        sizes = Counter(self.groups[index] for index in kept)
        largest = max(sizes, key=lambda group: sizes[group])
        index = next(index for index in kept if self.groups[index] == largest)
        splitting.no_template(sizes, known.asked(self.record(spool, index), self.columns) or "")

    def record(self, spool: IO[bytes], index: int) -> dict[str, Any]:
        """One record of the spool."""
        import orjson

        spool.seek(self.offsets[index])
        values: dict[str, Any] = orjson.loads(spool.readline())
        return values


class _Overlapping(Exception):
    """The parts overlap; carries the report and what was found."""


def _write(intake: _Intake, sides: list[int], spool: IO[bytes]) -> dict[str, Any]:
    """Second pass: the parts, which get their names only when they do not overlap; returns the report.

    Near-duplicates that only show when the parts are compared (`sketch.NEIGHBOURS`) leave validation, and the parts are
    written again.
    """
    with written(files.TRAIN) as train, written(files.VALIDATION) as validation:
        for left in reversed(range(ROUNDS)):
            digests = _fill(sides, spool, train, validation)
            tested = [index for index, side in enumerate(sides) if side == splitting.VALIDATION]
            if not tested:
                raise Mistaken(
                    "no record is left for validation: each is known from training; set `data.split.group_by` to the "
                    "prompt's column, or `data.duplicates.columns`"
                )
            found = overlap(train.name, validation.name, intake.columns, intake.group_by)
            near = found.lines["near_duplicate"]
            if not near or not left:
                break
            for number, _ in near:
                sides[tested[number - 1]] = -1
            intake.dropped["near_duplicate"] += len(near)
        report = _report(intake, sides, digests, found)
        if found:
            raise _Overlapping(report, found)
    return report


def _fill(sides: list[int], spool: IO[bytes], train: IO[bytes], validation: IO[bytes]) -> tuple[str, str]:
    """Write both parts from their beginning; returns their SHA-256."""
    streams = {splitting.TRAIN: train, splitting.VALIDATION: validation}
    digests = {side: hashlib.sha256() for side in streams}
    for stream in streams.values():
        stream.seek(0)
        stream.truncate()
    spool.seek(0)
    for side, text in zip(sides, progress(spool, "write", total=len(sides)), strict=True):
        if side >= 0:
            streams[side].write(text)
            digests[side].update(text)
    train.flush()
    validation.flush()
    return digests[splitting.TRAIN].hexdigest(), digests[splitting.VALIDATION].hexdigest()


def _report(intake: _Intake, sides: list[int], digests: tuple[str, str], found: Overlap) -> dict[str, Any]:
    train, validation = sides.count(splitting.TRAIN), sides.count(splitting.VALIDATION)
    return {
        "records": intake.records,
        "kept": train + validation,
        "train": train,
        "validation": validation,
        "validation_share": round(validation / (train + validation), 6),
        "groups": len({group for group, side in zip(intake.groups, sides, strict=True) if side >= 0}),
        "dropped": {reason: intake.dropped[reason] for reason in DROPPED},
        "overlap": found.counts,
        "sha256": {"train": digests[0], "validation": digests[1]},
    }


def _said(report: Mapping[str, Any]) -> str:
    lines = [f"{report['records']} records: {report['train']} for training, {report['validation']} for validation"]
    lines += [f"  {count} left out: {DROPPED[reason]}" for reason, count in report["dropped"].items() if count]
    return "\n".join(lines)


def _refusal(found: Overlap) -> str:
    lines = ["the parts overlap, and none was written:"]
    for kind, count in found.counts.items():
        if count:
            examples = ", ".join(f"{one} and {other}" for one, other in found.lines[kind][:3])
            lines.append(
                f"  {KINDS[kind]}: {count} records of validation (lines of validation and training: {examples})"
            )
    return "\n".join([*lines, "name in `data.split.group_by` the column that tells what belongs together"])
