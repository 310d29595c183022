"""`mlops-runtime experiment analyze`: logs in; decision, JSON and page out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mlops_runtime.data.atomic import write, write_json
from mlops_runtime.errors import Mistaken
from mlops_runtime.experiment import outcomes, settings
from mlops_runtime.experiment.analysis import analyzed
from mlops_runtime.experiment.page import page
from mlops_runtime.experiment.stages import constant, moment
from mlops_runtime.experiment.stages import read as read_stages

REPORT, PAGE = "experiment.json", "experiment.html"


def analyze(
    paths: Sequence[str], stages: str | None, since: str | None, until: str | None, method: str, folder: str
) -> dict[str, Any]:
    """Analyse logs; write `experiment.json` and `experiment.html`.

    Args:
        paths: logs of the servers, as of `outcomes.read`.
        stages: file with the stages of the rollout; None for the settings' share throughout.
        since: ISO time before which outcomes do not count.
        until: ISO time from which on they do not.
        method: that the decision rests on.
        folder: of the reports.

    Returns:
        What `experiment.json` holds.

    Raises:
        Mistaken: of settings, stages, times or logs.
    """
    given = settings.read()
    schedule = constant(given.traffic) if stages is None else read_stages(stages)
    window = outcomes.Window(_moment("--since", since, float("-inf")), _moment("--until", until, float("inf")))
    found = analyzed(outcomes.read(paths, schedule, window), given, schedule, method)
    write_json(os.path.join(folder, REPORT), found)
    write(os.path.join(folder, PAGE), page(found).encode())
    return found


def _moment(option: str, given: str | None, default: float) -> float:
    if given is None:
        return default
    try:
        return moment(given)
    except ValueError:
        raise Mistaken(f"{option} is {given!r}: a time with its zone, such as 2026-11-23T10:00:00Z") from None
