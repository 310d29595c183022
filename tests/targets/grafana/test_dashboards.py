"""The dashboards: judged by a strict model of Grafana's schema and by the types of Grafana's own SDK."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as sdk
from grafana_foundation_sdk.models import units
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mlopsgen.targets.grafana import files
from mlopsgen.targets.grafana.boards import BOARDS
from mlopsgen.targets.grafana.classic import identifier, written
from mlopsgen.targets.grafana.layout import Place, place
from mlopsgen.targets.grafana.model import COLUMNS, Panel, Query, Row
from mlopsgen.targets.grafana.view import View
from tests.conftest import FULL
from tests.targets.grafana.schema import Dashboard
from tests.targets.grafana.specs import CASES, dashboards, outputs, panel, panels, project

plugins.register_default_plugins()

SDK_LACKS = re.compile(
    r"/annotations/list/\d+/(builtIn|step|tagKeys|titleFormat|useValueForTime)|/templating/list/\d+/definition"
)
"""Fields that Grafana reads and its SDK for version 10.1 has no types for."""

Document = dict[str, Any]


def unknown(document: Document) -> list[str]:
    """Fields that Grafana's SDK drops or changes when it reads and writes a dashboard."""
    again = json.loads(json.dumps(sdk.Dashboard.from_json(document), cls=JSONEncoder))
    return [path for path in _lost(document, again, "") if not SDK_LACKS.fullmatch(path)]


def _lost(ours: Any, theirs: Any, path: str) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key in theirs:
                yield from _lost(value, theirs[key], f"{path}/{key}")
            else:
                yield f"{path}/{key}"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _lost(one, other, f"{path}/{index}")
    elif ours != theirs:
        yield path


def overlaps(document: Document) -> list[tuple[str, str]]:
    """Pairs of panels that cover the same cell, and panels that reach beyond the grid."""
    cells: dict[tuple[int, int], str] = {}
    found = []
    for each in document["panels"]:
        grid = Place(**each["gridPos"])
        for cell in itertools.product(range(grid.x, grid.x + grid.w), range(grid.y, grid.y + grid.h)):
            if cell in cells or cell[0] >= COLUMNS:
                found.append((cells.get(cell, "edge"), each["title"]))
            cells[cell] = each["title"]
    return sorted(set(found))


@pytest.mark.parametrize("name", CASES)
def test_dashboards_are_what_grafana_reads(name: str) -> None:
    for key, document in dashboards(name).items():
        Dashboard.model_validate(document)
        assert unknown(document) == [], key
        assert overlaps(document) == [], key


def _set(path: str, value: Any) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        *folders, last = path.split("/")
        place: Any = document
        for step in folders:
            place = place[int(step) if step.isdigit() else step]
        place[last] = value

    return change


@pytest.mark.parametrize(
    "fault",
    [
        _set("__inputs", []),
        _set("panels/1/fieldConfigs", {}),
        _set("panels/1/options/colourMode", "value"),
        _set("panels/1/type", "singlestat"),
        _set("panels/1/gridPos/w", "4"),
        _set("panels/1/gridPos/w", 25),
        _set("panels/1/targets/0/expression", "up"),
        _set("panels/1/targets/0/datasource/uid", "${DS_PROMETHEUS}"),
        _set("panels/1/fieldConfig/defaults/units", "s"),
        _set("panels/8/fieldConfig/defaults/custom/stacking", "normal"),
        _set("panels/8/options/legend/showLegends", True),
        _set("templating/list/1/refresh", "2"),
        _set("uid", "x" * 41),
    ],
)
def test_the_model_finds_a_planted_fault(fault: Callable[[Document], None]) -> None:
    document = copy.deepcopy(dashboards("full")["service"])
    assert document["panels"][8]["type"] == "timeseries"
    fault(document)
    with pytest.raises(ValidationError):
        Dashboard.model_validate(document)


@pytest.mark.parametrize(
    "fault", [_set("panels/1/options/colourMode", "value"), _set("panels/8/fieldConfig/defaults/units", "s")]
)
def test_the_sdk_finds_a_planted_fault(fault: Callable[[Document], None]) -> None:
    document = copy.deepcopy(dashboards("full")["service"])
    fault(document)
    assert len(unknown(document)) == 1


def test_an_overlap_is_found() -> None:
    document = copy.deepcopy(dashboards("full")["service"])
    document["panels"][2]["gridPos"]["x"] -= 1
    assert overlaps(document) == [("Requests", "Error rate")]


def test_units_are_known_to_grafana() -> None:
    known = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}
    found = {
        each["fieldConfig"]["defaults"]["unit"]
        for name in CASES
        for d in dashboards(name).values()
        for each in panels(d)
    }
    assert {unit for unit in found if not unit.startswith("suffix: ")} <= known
    assert "suffix: EUR" in found


SIZES = st.lists(st.tuples(st.integers(1, 24), st.integers(1, 12)), min_size=1, max_size=12)


@given(st.lists(SIZES, min_size=1, max_size=4))
def test_a_layout_overlaps_nowhere_and_fills_its_lines(rows: list[list[tuple[int, int]]]) -> None:
    def made(row: int, index: int, size: tuple[int, int]) -> Panel:
        text = f"{row}-{index}"
        return Panel(key=text, title=text, text=text, queries=(Query("up"),), width=size[0], height=size[1])

    given_rows = [
        Row(str(row), str(row), tuple(made(row, index, size) for index, size in enumerate(sizes)))
        for row, sizes in enumerate(rows)
    ]
    found = list(place(given_rows))
    document = {"panels": [{"title": item.key, "gridPos": where._asdict()} for item, where in found]}
    assert overlaps(document) == []
    assert [item for item, _ in found] == [item for row in given_rows for item in (row, *row.panels)]
    for item, where in found:
        assert where.w >= (1 if isinstance(item, Row) else item.width)


def _inserted(text: str, board: str, at: int) -> tuple[Document, Document]:
    view = View(project(text))
    before = view.kept(BOARDS[board](view))
    assert before is not None
    extra = Panel(key="extra", title="Extra", text="Planted by a test.", queries=(Query("up"),), width=5, height=3)
    first = before.rows[0]
    rows = (replace(first, panels=(*first.panels[:at], extra, *first.panels[at:])), *before.rows[1:])
    return written(view, before, {}), written(view, replace(before, rows=rows), {})


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("at", [0, 2])
def test_ids_stay_when_a_panel_is_inserted_before_others(board: str, at: int) -> None:
    before, after = _inserted("gpu", board, at)
    assert before["uid"] == after["uid"]
    ids = {(each["type"], each["title"]): each["id"] for each in before["panels"]}
    later = {(each["type"], each["title"]): each["id"] for each in after["panels"]}
    assert later == {**ids, ("timeseries", "Extra"): identifier("extra")}
    assert overlaps(after) == []


@pytest.mark.parametrize("name", CASES)
def test_ids_are_unique_and_names_are_stable(name: str) -> None:
    found = dashboards(name)
    assert len({document["uid"] for document in found.values()}) == len(found)
    for document in found.values():
        for values in ([each["id"] for each in document["panels"]], [each["title"] for each in panels(document)]):
            assert len(set(values)) == len(values), document["uid"]


def test_identifiers_never_move() -> None:
    assert dashboards("full")["service"]["uid"] == "support-assistant-service"
    assert panel("full", "service", "Error rate by variant")["id"] == 411648426
    long = dashboards("long")
    assert {len(document["uid"]) for document in long.values()} == {40}
    assert len({document["uid"] for document in long.values()}) == len(long)


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Paths of files that differ."""
    assert before.keys() == after.keys()
    return [path for path in before if before[path] != after[path]]


@pytest.mark.parametrize(
    ("old", "new", "places"),
    [
        (
            "error_rate:   {max: 5%",
            "error_rate:   {max: 4%",
            {("service", "Error rate"), ("service", "Error rate by variant")},
        ),
        (
            "latency_p95:  {max: 2s, for",
            "latency_p95:  {max: 3s, for",
            {("service", "Latency p95"), ("service", "Latency"), ("service", "Latency p95 by variant")},
        ),
        (
            "gpu_memory:   {max: 90%",
            "gpu_memory:   {max: 80%",
            {("service", "GPU memory in use"), ("gpu", "Memory in use")},
        ),
        (
            "accuracy:     {min: 85%",
            "accuracy:     {min: 80%",
            {("quality", "Accuracy"), ("quality", "Accuracy on the quality dataset")},
        ),
        (
            "drift:        {max: 0.2",
            "drift:        {max: 0.3",
            {("quality", "Largest drift"), ("quality", "Drift by feature")},
        ),
    ],
)
def test_a_threshold_changes_its_lines_and_nothing_else(old: str, new: str, places: set[tuple[str, str]]) -> None:
    text = FULL.read_text(encoding="utf-8")
    assert old in text
    before, after = dashboards(text), dashboards(text.replace(old, new))
    differ = set()
    for key, document in before.items():
        other = after[key]
        assert {k: v for k, v in document.items() if k != "panels"} == {k: v for k, v in other.items() if k != "panels"}
        for one, two in zip(document["panels"], other["panels"], strict=True):
            if one != two:
                differ.add((key, one["title"]))
                one["fieldConfig"]["defaults"].pop("thresholds")
                two["fieldConfig"]["defaults"].pop("thresholds")
                assert one == two
    assert differ == places
    files_that_differ = changed(outputs(text), outputs(text.replace(old, new)))
    assert {path.partition("/")[2] for path in files_that_differ} == {
        "grafana/configmaps.yaml",
        *(f"dashboards/{key}.json" for key, _ in places),
    }


def _limits(each: Document) -> list[float]:
    return [
        step["value"] for step in each["fieldConfig"]["defaults"]["thresholds"]["steps"] if step["value"] is not None
    ]


def test_lines_show_the_limits_of_the_last_environment() -> None:
    text = CASES["full"].replace(
        "serving: {replicas: {min: 4, max: 20}}",
        "serving: {queue: 10}\n    monitoring: {alerts: {error_rate: {max: 1%}}}",
    )
    found = panel(text, "service", "Error rate by variant")
    assert _limits(found) == [0.01]
    assert found["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] == {"mode": "line"}
    assert found["description"].endswith("Line: the limit of the alert in production.")
    assert _limits(panel(text, "service", "Waiting requests")) == [9]
    assert _limits(panel("full", "rollout", "Error rate")) == [0.05]
    assert _limits(panel("full", "training", "Steps not saved")) == [1500]


def test_below_is_bad_where_a_least_value_is_given() -> None:
    steps = panel("full", "quality", "Accuracy")["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert steps == [{"color": "red", "value": None}, {"color": "green", "value": 0.85}]


def test_an_alert_that_is_off_draws_no_line() -> None:
    for title in ("Error rate by variant", "Latency"):
        found = panel("quiet", "service", title)
        assert _limits(found) == []
        assert found["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] == {"mode": "off"}


def test_what_nothing_exports_is_left_out() -> None:
    assert set(dashboards("full")) == {"service", "quality", "gpu", "rollout", "training", "cost"}
    assert set(dashboards("smallest")) == {"service", "quality", "rollout", "training", "cost"}
    assert "gpu" in dashboards("training-gpu")
    assert set(dashboards("few")) == {"service"}
    assert dashboards("none") == {}
    titles = {
        name: {each["title"] for each in dashboards(name)["service"]["panels"]} for name in ("full", "gpu", "labels")
    }
    assert {"vLLM", "Batch and waiting", "GPU memory in use", "Objectives"} <= titles["full"]
    assert "vLLM" not in titles["gpu"]
    assert titles["labels"].isdisjoint({"Time to first token", "Length of answers", "GPU memory in use", "Objectives"})
    assert "Share of the traffic" not in {each["title"] for each in dashboards("argo")["rollout"]["panels"]}


def test_variables_are_those_that_queries_use() -> None:
    for name in CASES:
        for document in dashboards(name).values():
            listed = [each["name"] for each in document["templating"]["list"]]
            text = json.dumps(document["panels"])
            used = {each for each in ("environment", "namespace", "model", "variant") if f"${each}" in text}
            assert listed[0] == "datasource"
            assert set(listed[1:]) == used
    assert [each["name"] for each in dashboards("full")["service"]["templating"]["list"]] == [
        "datasource",
        "environment",
        "model",
        "variant",
    ]
    [namespace] = [each for each in dashboards("full")["gpu"]["templating"]["list"] if each["name"] == "namespace"]
    assert namespace["query"] == "staging : ml-staging, production : ml-production"
    assert namespace["current"]["value"] == "ml-production"


def test_dashboards_link_to_each_other_and_to_the_runbooks() -> None:
    document = dashboards("full")["service"]
    assert [link["type"] for link in document["links"]] == ["dashboards", "link"]
    assert document["links"][0]["tags"] == document["tags"] == ["mlopsgen", "support-assistant"]
    base = "https://github.com/acme/support-assistant/blob/HEAD/docs/runbooks"
    assert document["links"][1]["url"] == f"{base}/README.md"
    assert panel("full", "service", "Error rate by variant")["links"] == [
        {"title": "Runbook ModelErrorRateHigh", "url": f"{base}/ModelErrorRateHigh.md", "targetBlank": True}
    ]
    wiki = panel("two", "service", "Latency")["links"][0]["url"]
    assert wiki == "https://wiki.acme.dev/runbooks/ModelLatencyHigh.md"
    assert "links" not in panel("smallest", "service", "Latency")


def test_every_runbook_that_a_panel_names_is_an_alert_of_some_spec() -> None:
    named = {
        name
        for case in ("full", "gpu")
        for key in BOARDS
        for row in BOARDS[key](View(project(case))).rows
        for each in row.panels
        for name in each.alerts
    }
    linked = {
        link["title"].removeprefix("Runbook ")
        for text in (CASES["full"].replace("gpu_hour: 2.50", "budget: 100, gpu_hour: 2.50"),)
        for document in dashboards(text).values()
        for each in panels(document)
        for link in each.get("links", ())
    }
    assert linked == named


def test_rollouts_versions_and_alerts_are_marked() -> None:
    names = [each["name"] for each in dashboards("full")["service"]["annotations"]["list"]]
    assert names == ["Annotations & Alerts", "Canary moves", "Rollouts", "Versions", "Alerts"]
    assert [each["name"] for each in dashboards("argo")["service"]["annotations"]["list"]] == [names[0], *names[3:]]


def test_provisioning_loads_the_folder() -> None:
    found = outputs("two")
    [provider] = yaml.safe_load(found["monitoring/grafana/provisioning/dashboards/dashboards.yaml"])["providers"]
    assert provider["options"] == {"path": "/var/lib/grafana/dashboards/docstrings"}
    sources = yaml.safe_load(found["monitoring/grafana/provisioning/datasources/datasource.yaml"])["datasources"]
    assert [(each["uid"], each["url"], each["isDefault"], each["jsonData"]["timeInterval"]) for each in sources] == [
        ("docstrings-prometheus-live", "http://prometheus.monitoring:9090", True, "15s"),
        ("docstrings-prometheus-test", "http://prometheus.test:9090", False, "30s"),
    ]
    [only] = yaml.safe_load(outputs("full")["monitoring/grafana/provisioning/datasources/datasource.yaml"])[
        "datasources"
    ]
    assert only["uid"] == "support-assistant-prometheus"


@pytest.mark.parametrize("name", CASES)
def test_config_maps_hold_the_dashboards(name: str) -> None:
    found, expected = outputs(name), dashboards(name)
    path = "monitoring/grafana/configmaps.yaml"
    if not expected:
        assert path not in found
        return
    maps = list(yaml.safe_load_all(found[path]))
    assert [next(iter(each["data"])) for each in maps] == [f"{project(name).name}-{key}.json" for key in expected]
    for each, document in zip(maps, expected.values(), strict=True):
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert "namespace" not in each["metadata"]
        [text] = each["data"].values()
        assert json.loads(text) == document
        # 1 MiB is the limit of a ConfigMap, 256 KiB that of `kubectl apply`'s own annotation.
        assert len(text.encode()) < 256 * 1024


def test_the_same_project_gives_the_same_files() -> None:
    assert list(files(project("full"))) == list(files(project("full")))
