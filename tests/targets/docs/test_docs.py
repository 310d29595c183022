"""Runbooks and pictures: complete, right, and of use at a terminal."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml

from mlopsgen.contract.alerts import NAMES
from mlopsgen.project.resolve import resolve
from mlopsgen.render.engine import render
from mlopsgen.spec.load import parse
from mlopsgen.targets import docs, prometheus
from mlopsgen.targets.docs.pages import KINDS, markdown
from mlopsgen.targets.docs.pipeline import label
from tests.conftest import FULL, ROOT, tool
from tests.targets.github.specs import smallest
from tests.targets.grafana.names import faults
from tests.targets.grafana.specs import CASES as DASHBOARDS

HEADINGS = ["When it fires", "Meaning", "Impact", "Look at", "Do", "Silence"]
BUDGET = FULL.read_text(encoding="utf-8").replace("cost: {gpu_hour: 2.50", "cost: {budget: 5000, gpu_hour: 2.50")
CASES = {
    **DASHBOARDS,
    "budget": BUDGET,
    "differ": smallest(
        "environments: {test: {monitoring: {alerts: {error_rate: {max: 20%, severity: warning}, accuracy: {min: 50%}}}}, "
        "live: {branch: main, namespace: ml}}"
    ),
    "objectives": smallest("monitoring: {slo: {}, alerts: {latency_p95: null, error_rate: null}}"),
    "alone": smallest(
        "targets: {github: false, grafana: false}",
        "rollout: {steps: [100%]}",
        r'monitoring: {alerts: {custom: [{name: Odd, expr: "model_queue_depth > 5", summary: "a | b `c` <d> [e](f) *g*"}]}}',
    ),
}


@cache
def outputs(name: str) -> Mapping[str, str]:
    """Files of a case, or of a spec: path and text."""
    project = resolve(parse(CASES.get(name, name), "mlops.yaml")).project
    return MappingProxyType({file.path: render(file).content.decode() for file in docs.files(project)})


def runbooks(name: str) -> dict[str, str]:
    """Pages by alert."""
    start = "docs/runbooks/"
    found = {path[len(start) : -len(".md")]: text for path, text in outputs(name).items() if path.startswith(start)}
    del found["README"]
    return found


def sections(text: str) -> dict[str, str]:
    """Text below each heading of the second level."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def blocks(text: str, language: str) -> list[str]:
    """Code blocks of a language, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return ["\n".join(line.removeprefix(indent) for line in body.splitlines()) for indent, body in found]


def mistakes(text: str, files: Mapping[str, str], folder: str) -> list[str]:
    """What is wrong with a page: a section that is missing or empty, an open block, a link that leads nowhere."""
    found = sections(text)
    wrong = [f"no {heading}" for heading in HEADINGS if not found.get(heading, "").strip()]
    wrong += ["open block"] if text.count("```") % 2 else []
    wrong += [f"unfilled {mark[0]}" for mark in re.finditer(r"\[\[|\[%|{{|\$[a-z]+|\bNone\b(?! of| by| yet)", text)]
    for link in re.findall(r"(?<!\\)\]\(([^)]+)\)", text):
        path = "/".join((folder, link))
        while "/../" in path:
            path = re.sub(r"[^/]+/\.\./", "", path, count=1)
        if (
            "://" not in link
            and path not in files
            and path not in ("mlops.yaml",)
            and not path.startswith("monitoring/")
        ):
            wrong.append(f"{link} leads nowhere")
    return wrong


def alerts(name: str) -> Iterator[tuple[str, str]]:
    """Name and runbook of each alerting rule of a case."""
    project = resolve(parse(CASES[name], "mlops.yaml")).project
    [rules] = [file for file in prometheus.files(project) if file.path == "monitoring/rules.yaml"]
    for group in yaml.safe_load(render(rules).content)["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                yield rule["alert"], rule["annotations"]["runbook_url"]


@pytest.mark.parametrize("name", CASES)
def test_every_alert_has_its_runbook_and_its_line_in_the_index(name: str) -> None:
    found = dict(alerts(name))
    assert list(runbooks(name)) == list(found)
    index = outputs(name)["docs/runbooks/README.md"]
    for alert, url in found.items():
        assert url.endswith(f"/{alert}.md")
        assert f"| [{alert}]({alert}.md) |" in index


def test_every_alert_of_the_contract_has_a_text_and_some_case() -> None:
    assert set(KINDS) == set(NAMES)
    assert {alert for name in CASES for alert in runbooks(name)} == {*NAMES, "LongAnswers", "Odd"}
    folder = ROOT / "templates" / "docs" / "runbooks"
    assert {path.stem for path in folder.iterdir()} == {*KINDS.values(), "custom"}


@pytest.mark.parametrize("name", CASES)
def test_pages_are_complete(name: str) -> None:
    files = outputs(name)
    for alert, text in runbooks(name).items():
        assert mistakes(text, files, "docs/runbooks") == [], alert
        assert text.startswith(f"# {alert}\n")
        assert list(sections(text)) == HEADINGS
        assert "\n\n\n" not in text


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("## Impact\n", "", "no Impact"),
        ("```sh", "", "open block"),
        ("(../../mlops.yaml)", "(../mlops.yaml)", "leads nowhere"),
        ("Users see", "[[ who ]] see", "unfilled"),
    ],
)
def test_a_planted_mistake_is_found(old: str, new: str, fault: str) -> None:
    text = runbooks("full")["ModelErrorRateHigh"]
    assert old in text
    assert fault in " ".join(mistakes(text.replace(old, new, 1), outputs("full"), "docs/runbooks"))


@pytest.mark.parametrize("name", CASES)
def test_what_to_look_at_parses_and_names_the_contract_only(name: str) -> None:
    for alert, text in runbooks(name).items():
        queries = blocks(sections(text)["Look at"], "promql")
        assert queries, alert
        for query in queries:
            assert faults(query) == [], (alert, query)


@pytest.mark.parametrize("name", CASES)
def test_commands_are_commands(name: str) -> None:
    for alert, text in runbooks(name).items():
        for block in blocks(text, "sh"):
            result = subprocess.run(
                ["bash", "-n"], input=block, capture_output=True, text=True, timeout=20, check=False
            )
            assert (result.returncode, result.stderr) == (0, ""), alert
            for line in block.splitlines():
                assert shlex.split(line)[0] in ("kubectl", "gh", "amtool", "mlops-runtime"), line


@contextmanager
def alertmanager(folder: Path) -> Iterator[str]:
    """A running Alertmanager; gives its address."""
    (folder / "alertmanager.yaml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    arguments = [
        tool("prometheus-alertmanager"),
        f"--config.file={folder / 'alertmanager.yaml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://{address}/-/ready", timeout=2).close()
                break
            except OSError:
                if time.monotonic() > end or process.poll() is not None:
                    raise AssertionError((folder / "log").read_text()) from None
                time.sleep(0.1)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_alertmanager_takes_every_silence(tmp_path: Path) -> None:
    with alertmanager(tmp_path) as address:
        for alert, text in runbooks("full").items():
            [command] = blocks(sections(text)["Silence"], "sh")
            words = shlex.split(command)
            assert words[0] == "amtool"
            words[words.index("--alertmanager.url") + 1] = address
            subprocess.run([tool("amtool"), *words[1:]], check=True, capture_output=True, timeout=20)
            listed = [tool("amtool"), "silence", "query", "--alertmanager.url", address, "--output", "simple"]
            answer = subprocess.run(
                [*listed, f"alertname={alert}", "project=support-assistant", "environment=production"],
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
            assert alert in answer.stdout


@pytest.mark.parametrize(
    ("old", "new", "pages"),
    [
        ("error_rate:   {max: 5%", "error_rate:   {max: 4%", {"ModelErrorRateHigh"}),
        ("latency_p95:  {max: 2s, for", "latency_p95:  {max: 3s, for", {"ModelLatencyHigh"}),
        ("gpu_memory:   {max: 90%", "gpu_memory:   {max: 80%", {"ModelGpuMemoryHigh"}),
        ("traffic_drop: {max: 50%", "traffic_drop: {max: 40%", {"ModelTrafficDrop"}),
        ("accuracy:     {min: 85%", "accuracy:     {min: 80%", {"ModelAccuracyLow"}),
        ("drift:        {max: 0.2, for: 1h", "drift:        {max: 0.2, for: 2h", {"ModelInputDrift"}),
    ],
)
def test_a_threshold_changes_its_runbook_and_nothing_else(old: str, new: str, pages: set[str]) -> None:
    text = FULL.read_text(encoding="utf-8")
    assert old in text
    before, after = outputs(text), outputs(text.replace(old, new))
    assert before.keys() == after.keys()
    assert {path for path in before if before[path] != after[path]} == {f"docs/runbooks/{page}.md" for page in pages}


def test_environments_that_differ_have_their_own_rules_on_the_page() -> None:
    page = runbooks("differ")["ModelErrorRateHigh"]
    fires = sections(page)["When it fires"]
    assert re.findall(r"^In (.+), when this holds for (\w+): .*; (\S+) is the limit", fires, re.MULTILINE) == [
        ("test", "5m", "20%"),
        ("live", "5m", "5%"),
    ]
    assert "| Severity | critical, warning |" in page
    assert "environment=live" in sections(page)["Silence"]
    only = runbooks("differ")["ModelAccuracyLow"]
    assert "environment=test" in sections(only)["Silence"]
    assert 'environment="test"' in sections(only)["Look at"]


def test_commands_are_those_of_the_project() -> None:
    page = runbooks("full")["ModelErrorRateHigh"]
    assert "mlops-runtime rollout abort --environment production" in page
    assert "gh workflow run ml-release.yaml --field environment=production" in page
    assert "kubectl --namespace ml-production logs" in page
    assert (
        "kubectl argo rollouts --namespace docstrings-production abort docstrings"
        in runbooks("argo")["ModelErrorRateHigh"]
    )
    alone = runbooks("alone")["ModelErrorRateHigh"]
    assert "gh workflow" not in alone
    assert "abort" not in alone


def test_a_page_of_many_rules_speaks_of_all() -> None:
    assert (
        "| [ModelMetricAbsent](ModelMetricAbsent.md) | critical, warning | *environment* exports no *metric* |"
        in (outputs("full")["docs/runbooks/README.md"])
    )
    assert "| `model_drift_score` |" in runbooks("full")["ModelMetricAbsent"]
    assert "A GPU of *environment* reported an error" in runbooks("full")["GpuXidError"]


def test_texts_of_people_change_no_structure() -> None:
    page = runbooks("alone")["Odd"]
    assert r"a \| b \`c\` \<d\> \[e\](f) \*g\*" in page
    assert "model_queue_depth" in blocks(sections(page)["When it fires"], "promql")[0]
    assert markdown("# a\n_b_") == r"\# a \_b\_"


def mermaid(text: str) -> list[tuple[set[str], list[tuple[str, str]]]]:
    """Nodes and arrows of each picture; a line that is neither is a mistake."""
    pictures = []
    for block in blocks(text, "mermaid"):
        first, *rest = block.splitlines()
        assert re.fullmatch(r"flowchart (LR|TD)", first), first
        nodes: set[str] = set()
        arrows: list[tuple[str, str]] = []
        for line in rest:
            node = re.fullmatch(r'  (\w+)(?:\["[^"]+"\]|\[\("[^"]+"\)\]|\{\{"[^"]+"\}\})', line)
            arrow = re.fullmatch(r"  (\w+) -->(?:\|[^|\"\[\]{}()]+\|)? (\w+)", line)
            assert node or arrow, line
            if node:
                assert node[1] not in {*nodes, "end"}, line
                nodes.add(node[1])
            elif arrow:
                arrows.append((arrow[1], arrow[2]))
        assert {end for arrow in arrows for end in arrow} <= nodes
        assert len(set(arrows)) == len(arrows)
        pictures.append((nodes, arrows))
    return pictures


@pytest.mark.parametrize("name", CASES)
def test_pictures_hold_together(name: str) -> None:
    text = outputs(name)["docs/pipeline.md"]
    pipeline, release, watch = mermaid(text)
    for nodes, arrows in (pipeline, release, watch):
        assert nodes == {end for arrow in arrows for end in arrow}
    assert ("prometheus", "alertmanager") in watch[1]
    assert "registry" in release[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('stage_train["train"]', 'stage_train["train]'),
        ("stage_train --> stage_evaluate", "stage_train -> stage_evaluate"),
        ("stage_train --> stage_evaluate", "stage_train --> stage_evaluation"),
    ],
)
def test_a_broken_picture_is_found(old: str, new: str) -> None:
    text = outputs("full")["docs/pipeline.md"]
    assert old in text
    with pytest.raises(AssertionError):
        mermaid(text.replace(old, new))


def test_the_picture_is_that_of_the_project() -> None:
    pipeline, release, watch = mermaid(outputs("full")["docs/pipeline.md"])
    assert ("stage_gate", "stage_register") in pipeline[1]
    assert ("environment_staging", "canary_production") in release[1]
    assert {"receiver_pagerduty", "receiver_slack", "gpus", "rollout", "retrain", "grafana"} <= watch[0]
    assert "rollout" not in mermaid(outputs("argo")["docs/pipeline.md"])[2][0]
    assert "grafana" not in mermaid(outputs("alone")["docs/pipeline.md"])[2][0]
    assert label('a "b" [c] #d') == "a #34;b#34; #91;c#93; #35;d"


def test_the_same_project_gives_the_same_files() -> None:
    project = resolve(parse(CASES["full"], "mlops.yaml")).project
    assert list(docs.files(project)) == list(docs.files(project))


def test_limits_remember_where_they_came_from() -> None:
    project = resolve(parse(CASES["full"], "mlops.yaml")).project
    [page] = [file for file in docs.files(project) if file.path.endswith("ModelErrorRateHigh.md")]
    paths = {path for origin in render(page).origins for path in origin.paths}
    assert "monitoring.alerts.error_rate.max" in paths
