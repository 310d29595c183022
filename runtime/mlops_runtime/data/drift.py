"""`mlops-runtime drift`: the training part against the data that a reference model was trained on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import click

from mlops_runtime import parameters
from mlops_runtime.data import drift_page, reference
from mlops_runtime.data.atomic import write, write_json
from mlops_runtime.data.features import Features
from mlops_runtime.data.shift import ENOUGH, Shift, compare
from mlops_runtime.terminal import table
from mlopsgen.contract import files

STYLES = {"drift": "bold red", "none": "", "not enough data": "yellow"}
"""Look of a feature's row on a terminal."""


def drift() -> int:
    """Compare, write both reports, obey `drift.action`.

    A found drift is told (`warn`), ends with exit code 1 (`fail`), or is handed to the workflow as the output `retrain`
    of its step (`retrain`; GitHub's `GITHUB_OUTPUT`) and as `retrain` of the report.

    Returns:
        1 for a drift under `action: fail`, else 0; also while there is nothing to compare with.

    Raises:
        Mistaken: no prepared data, a reference that cannot be read, an `alpha` that cannot be shown.
    """
    given = parameters.read("drift", "data", "model")
    asked = given["drift"]
    wanted = asked["features"]
    before = reference.features(asked["reference"], wanted, given["data"], given["model"].get("preprocess", []))
    window = reference.training_part(files.TRAIN, wanted)
    shifts: dict[str, Shift] = {}
    if before is not None:
        shifts = compare(before, window, alpha=asked["alpha"], min_effect=asked["min_effect"])
    report = _report(asked, shifts, before, window)
    write_json(files.DRIFT, report)
    write(files.DRIFT_PAGE, drift_page.page(asked, shifts, before, window).encode())
    _say(asked, shifts, before)
    found = [name for name, shift in shifts.items() if shift.state == "drift"]
    _hand_on(asked["action"], found)
    return 1 if found and asked["action"] == "fail" else 0


def _report(
    asked: Mapping[str, Any], shifts: Mapping[str, Shift], before: Features | None, window: Features
) -> dict[str, Any]:
    drifted = [name for name, shift in shifts.items() if shift.state == "drift"]
    return {
        "drift": len(drifted),
        "compared": sum(shift.state != "not enough data" for shift in shifts.values()),
        "not_enough_data": sum(shift.state == "not enough data" for shift in shifts.values()),
        "largest_distance": max((shift.distance for shift in shifts.values()), default=0.0),
        "retrain": int(bool(drifted) and asked["action"] == "retrain"),
        "records": window.records,
        "reference_records": before.records if before is not None else 0,
        "features": {name: _feature(shift) for name, shift in shifts.items()},
    }


def _feature(shift: Shift) -> dict[str, Any]:
    told = {
        "state": shift.state,
        "distance": shift.distance,
        "cut": shift.cut,
        "p": shift.p,
        "p_holm": shift.p_holm,
        "records": shift.records[0],
        "reference_records": shift.records[1],
    }
    return {name: value for name, value in told.items() if value is not None}


def _say(asked: Mapping[str, Any], shifts: Mapping[str, Shift], before: Features | None) -> None:
    if before is None:
        click.echo(drift_page.NOTHING)
        return
    table(
        ("feature", "distance", "by chance up to", "p (Holm)", "records", "reference", "drift"),
        [(name, *drift_page.numbers(shift), shift.state) for name, shift in shifts.items()],
        [STYLES[shift.state] for shift in shifts.values()],
    )
    if any(shift.state == "not enough data" for shift in shifts.values()):
        click.echo(f"not enough data: both sides need {ENOUGH} records")
    click.echo(f"false alarms {asked['alpha']:g} over all features, smallest effect {asked['min_effect']:g}")


def _hand_on(action: str, found: list[str]) -> None:
    """Tell the workflow: a warning on its page, and the output `retrain`."""
    if found and os.environ.get("GITHUB_ACTIONS") == "true":
        click.echo(f"::warning title=Drift::{', '.join(found)} drifted; see {files.DRIFT_PAGE}")
    output = os.environ.get("GITHUB_OUTPUT")
    if action == "retrain" and output:
        with open(output, "a", encoding="utf-8") as stream:
            stream.write(f"retrain={str(bool(found)).lower()}\n")
