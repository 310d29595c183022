"""Every part of every rule has data: asked of a real Prometheus with hours of what the contract promises."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from mlopsgen.contract.promql import duration
from mlopsgen.targets.prometheus import rules
from mlopsgen.targets.prometheus.rules import Group
from tests.targets.prometheus import history, live
from tests.targets.prometheus.specs import project

SPEC = {"gpu": "every-alert", "vllm": "full"}


def parts(expr: str) -> list[str]:
    """Operands of an alert, without what they are compared with: those of `and`, and the inside of `absent`."""
    found = []
    for operand in re.split(r"\n(?:and|or) ", expr):
        bare = re.sub(r"( (?:>=|<=|==|!=|>|<) [-+0-9.e]+)+$", "", operand.strip())
        inside = re.fullmatch(r"absent\((.*)\)", bare, re.DOTALL)
        found.append(inside[1] if inside else bare)
    return found


@pytest.fixture(scope="module", params=sorted(SPEC))
def watched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[live.Prometheus, list[Group]]]:
    found = project(SPEC[request.param])
    with history.prometheus(found, tmp_path_factory.mktemp("history")) as running:
        yield running, rules.groups(found, found.environments)


def test_no_query_of_a_rule_is_empty(watched: tuple[live.Prometheus, list[Group]]) -> None:
    running, groups = watched
    records = {record.name: record.expr for group in groups for record in group.records}
    asked, empty = 0, []
    for group in groups:
        every = [*records.values(), *(alert.expr for alert in group.alerts)]
        for part in (part for expr in every for part in parts(str(expr))):
            name = part.partition("{")[0]
            query = records.get(name, part)
            asked += 1
            result = running.query(query)
            if not result or any(sample["value"][1] == "NaN" for sample in result):
                empty.append(query)
    assert asked > 40
    assert empty == []


def test_an_unknown_series_would_be_noticed(watched: tuple[live.Prometheus, list[Group]]) -> None:
    running, _ = watched
    assert running.query(f"rate(model_requests_totals[{duration(300)}])") == []
