"""The validation report as a page: a table of the checks, rows that fail, lengths of texts, sizes of classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlops_runtime.data import page as html
from mlops_runtime.data.drift_page import BARS, shares
from mlops_runtime.data.expectations import Check
from mlops_runtime.data.features import Counts
from mlops_runtime.data.tally import Tally


def page(data: Mapping[str, Any], tally: Tally, checks: Sequence[Check]) -> str:
    """The page.

    Args:
        data: section `data` of `params.yaml`.
        tally: what was counted.
        checks: what came of each expectation.
    """
    return html.document("Data validation", [*_summary(data, tally, checks), *_rows(checks), *_plots(tally)])


def _summary(data: Mapping[str, Any], tally: Tally, checks: Sequence[Check]) -> Iterator[str]:
    failed = [check for check in checks if not check.passed]
    verdict = f"{len(failed)} of {len(checks)} checks failed." if failed else f"All {len(checks)} checks passed."
    yield html.paragraph(verdict, "bad" if failed else "good")
    yield html.paragraph(f"{tally.rows} rows of {data['raw']} ({data['format']}).")
    ordered = [*failed, *(check for check in checks if check.passed)]
    cells = [
        (check.name, check.expected, check.observed, check.expectation, "passed" if check.passed else "failed")
        for check in ordered
    ]
    headers = ("check", "expected", "observed", "expectation", "result")
    yield html.rows(headers, cells, ["good" if check.passed else "bad" for check in ordered])


def _rows(checks: Sequence[Check]) -> Iterator[str]:
    cells = [(check.name, place) for check in checks if not check.passed for place in check.places]
    if cells:
        yield html.heading("Rows that fail, the first of each")
        yield html.rows(("check", "row"), cells, [""] * len(cells))


def _plots(tally: Tally) -> Iterator[str]:
    for name, lengths in tally.lengths.items():
        counts = Counts("number", lengths)
        labels, heights, _ = shares(counts, counts)
        if labels:
            yield html.heading(f"{name}: length")
            yield html.bars(
                "Share of rows by length in characters; the last bar holds all that is longer.", labels, heights
            )
    for name, classes in tally.classes.items():
        if classes:
            largest = classes.most_common(BARS)
            total = classes.total()
            yield html.heading(f"{name}: classes")
            yield html.bars("Share of rows by class.", [c for c, _ in largest], [n / total for _, n in largest])
