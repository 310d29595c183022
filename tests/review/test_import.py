"""`mlopsgen import`: what a repository written by hand gives, and what it does not."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlopsgen.adoption.rules import limit
from mlopsgen.cli.main import run
from mlopsgen.project import present
from mlopsgen.project.resolve import resolve
from mlopsgen.spec.load import parse
from tests.conftest import EXAMPLES, FULL

ANSWERS = Path(__file__).parent / "import" / "answers"

Import = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """A copy of a repository written by hand."""
    return shutil.copytree(ANSWERS, tmp_path / "answers")


@pytest.fixture
def take(capsys: pytest.CaptureFixture[str]) -> Import:
    def call(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = run(["import", str(folder), "--format", "json", *arguments])
        told = capsys.readouterr()
        assert "fault" not in told.err, told.err
        return code, json.loads(told.out)

    return call


def taken(told: dict[str, Any]) -> dict[str, Any]:
    return {one["path"]: one["value"] for one in told["taken"]}


def test_a_repository_written_by_hand_gives_a_spec_that_builds(answers: Path, take: Import) -> None:
    code, told = take(answers)
    assert (code, told["missing"], told["skipped"]) == (0, [], [])
    found = taken(told)
    assert found | EXPECTED == found
    assert run(["validate", str(answers)]) == 0
    own = {path: path.read_bytes() for path in answers.rglob("*") if path.is_file()}
    for path in ("dvc.yaml", "params.yaml", "monitoring/rules.yaml", ".dvc/config"):
        (answers / path).unlink()
    assert run(["build", "-q", str(answers)]) == 0
    assert (answers / "deploy" / "production" / "serving.yaml").is_file()
    assert own[answers / "deploy" / "serving.yaml"] == (answers / "deploy" / "serving.yaml").read_bytes()


EXPECTED = {
    "project.name": "answers-bot",
    "data.raw": "data/raw/tickets.jsonl",
    "data.remote": "s3://acme-answers/dvc",
    "data.split.validation": 0.15,
    "data.split.seed": 7,
    "model.base": "mistralai/Mistral-7B-v0.3",
    "model.adapter.r": 8,
    "training.seed": 13,
    "training.learning_rate": 1e-4,
    "training.precision": "bf16",
    "training.resources.gpu": 2,
    "serving.engine": "vllm",
    "serving.port": 8080,
    "serving.timeout": "45s",
    "serving.resources.limits.memory": "32Gi",
    "serving.replicas.min": 2,
    "serving.replicas.autoscaler": "hpa",
    "environments.production.namespace": "answers-prod",
    "environments.production.url": "https://answers.acme.dev",
    "monitoring.alerts.latency_p95.max": "1s500ms",
    "monitoring.alerts.latency_p95.severity": "critical",
    "monitoring.alerts.error_rate.max": "2%",
    "monitoring.alerts.traffic_drop.compared_to": "1h",
    "monitoring.metrics": ["answers_queue_length"],
    "ci.schedule": "30 2 * * 6",
}


def test_each_value_says_where_it_was_taken_from(answers: Path, take: Import) -> None:
    _, told = take(answers, "--dry-run")
    assert not (answers / "mlops.yaml").exists()
    comments = re.findall(r"# from (\S+):(\d+)", told["text"])
    assert len(comments) == len(told["taken"])
    places = {path.split(".")[-1]: value for path, value in taken(told).items() if isinstance(value, int)}
    assert places
    for one in told["taken"]:
        row = (answers / one["file"]).read_text().splitlines()[one["line"] - 1]
        value = str(one["value"])
        if one["path"].endswith(
            (".max", ".min", ".url", "timeout", "custom[0]", "metrics", "autoscaler", "precision", "severity")
        ):
            continue
        if one["note"] is None and not one["path"].endswith(("format", "grace", "learning_rate", "port")):
            assert value in row, one


def test_everything_that_is_left_is_told_with_place_and_reason(answers: Path, take: Import) -> None:
    _, told = take(answers, "--dry-run")
    left = {(one["file"], one["line"]): one["what"] for one in told["left"]}
    for place, word in {
        ("params.yaml", 4): "lowercase",
        ("params.yaml", 9): "per_device_train_batch_size",
        ("dvc.yaml", 13): "stage train",
        (".dvc/config", 6): "remote old",
        ("deploy/serving.yaml", 77): "Deployment/redis",
        ("deploy/serving.yaml", 44): "FEATURE_FLAG",
        ("deploy/serving.yaml", 46): "HF_TOKEN",
        ("deploy/serving.yaml", 51): "readinessProbe",
        ("deploy/serving.yaml", 62): "log-shipper",
        ("deploy/scaling.yaml", 14): "cpu",
        ("monitoring/rules.yaml", 4): "job:latency:p95",
        (".github/workflows/ci.yaml", 1): "workflow",
    }.items():
        assert word in left[place]
    assert all(one["why"] for one in told["left"])
    assert "training.batch_size" not in taken(told), "sequences per device are none per step"


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}.{index}")
    else:
        yield path, value


def test_our_own_output_gives_most_of_the_spec_back(tmp_path: Path, take: Import) -> None:
    folder = tmp_path / "full"
    shutil.copytree(EXAMPLES / "support-assistant", folder, ignore=shutil.ignore_patterns("mlops.yaml", "mlops.lock"))
    code, told = take(folder)
    assert code == 0
    projects = {
        name: resolve(parse(path.read_text(), "mlops.yaml")).project
        for name, path in (("meant", FULL), ("got", folder / "mlops.yaml"))
    }
    meant, got = (dict(leaves(present.document(project))) for project in projects.values())
    written = dict(leaves(parse(FULL.read_text(), "mlops.yaml").plain()))
    shares = {}
    for name, prefixes in {
        "params": ("data.", "model.", "training.", "evaluation.", "registry."),
        "serving": ("serving.",),
        "alerts": ("monitoring.alerts",),
        "everything": ("",),
    }.items():
        asked = [path for path in written if path.startswith(prefixes) and path in meant]
        same = [path for path in asked if got.get(path) == meant[path]]
        shares[name] = len(same) / len(asked)
        print(f"{name}: {len(same)} of {len(asked)} fields ({shares[name]:.0%}); not: {sorted({*asked} - {*same})}")
    assert shares["params"] > 0.85
    assert shares["serving"] >= 0.9
    assert shares["alerts"] > 0.85
    for name in ("staging", "production"):
        places = [present.environment(project, name) for project in projects.values()]
        replicas = [place["serving"]["replicas"] for place in places if place is not None]
        assert replicas[0] == replicas[1]
    found = taken(told)
    assert (found["serving.replicas.max"], found["environments.staging.serving.replicas"]) == (20, 2)


@pytest.mark.parametrize(
    ("expr", "said"),
    [
        ("histogram_quantile(0.95, sum by (le) (rate(x_seconds_bucket[5m]))) > 2", ("latency_p95", "max", "2s")),
        (
            "histogram_quantile(0.95, sum(rate(x_latency_ms_bucket[5m])) by (le)) >= 750",
            ("latency_p95", "max", "750ms"),
        ),
        ("histogram_quantile(0.99, sum by (le) (rate(x_seconds_bucket[5m]))) > 2", None),
        ('sum(rate(r{code=~"5.."}[5m])) / sum(rate(r[5m])) > 0.01', ("error_rate", "max", "1%")),
        ("rate(errors_total[5m]) / rate(requests_total[5m]) > 0.1 and on () x > 3", ("error_rate", "max", "10%")),
        ('100 * sum(rate(r{code=~"5.."}[5m])) / sum(rate(r[5m])) > 5', None),
        ("1 - rate(r[5m]) / rate(r[5m] offset 1d) > 0.6", ("traffic_drop", "max", "60%")),
        ("rate(r[5m]) < 0.2 * rate(r[5m] offset 30m)", ("traffic_drop", "max", "80%")),
        ("avg(model_accuracy) < 0.9", ("accuracy", "min", "90%")),
        ("max(feature_drift_score) > 0.3", ("drift", "max", 0.3)),
        ("nvidia_gpu_memory_used_bytes / nvidia_gpu_memory_total_bytes > 0.8", ("gpu_memory", "max", "80%")),
        ("up == 0", None),
        ("rate(a[5m]) > rate(b[5m])", None),
        ('x{a="> 5"}', None),
        ("> 5", None),
        ("", None),
    ],
)
def test_limits_are_read_from_plain_promql_only(expr: str, said: tuple[str, str, Any] | None) -> None:
    found = limit(expr)
    assert (None if found is None else found[:3]) == said


def test_nothing_is_overwritten(answers: Path, take: Import) -> None:
    (answers / "mlops.yaml").write_text("mine\n")
    code, told = take(answers)
    assert (code, [row["code"] for row in told["diagnostics"]]) == (2, ["E345"])
    assert (answers / "mlops.yaml").read_text() == "mine\n"
    assert take(answers, "--dry-run")[0] == 0
    assert take(answers, "--output", str(answers / "other.yaml"))[0] == 0
    assert take(answers, "--output", str(answers / "other.yaml"))[0] == 2
    assert take(answers, "--output", str(answers / "no" / "other.yaml"))[0] == 2


def test_what_is_missing_is_marked_and_asked_for(answers: Path, take: Import) -> None:
    for path in ("dvc.yaml", "params.yaml", "deploy/serving.yaml"):
        (answers / path).unlink()
    code, told = take(answers)
    assert (code, told["missing"]) == (1, ["data.raw", "model.base"])
    assert [row["code"] for row in told["diagnostics"]] == ["W346", "W346"]
    text = (answers / "mlops.yaml").read_text()
    assert len(re.findall("# FILL IN", text)) == 2
    assert run(["validate", str(answers)]) == 2
    (answers / "mlops.yaml").unlink()
    assert take(answers, "--raw", "data/raw", "--base", "acme/tiny", "--name", "mine")[0] == 0
    assert run(["validate", str(answers)]) == 0
    assert "name: mine  # from the command line" in (answers / "mlops.yaml").read_text()


def test_several_servers_are_asked_about(answers: Path, take: Import) -> None:
    text = (answers / "deploy/serving.yaml").read_text()
    (answers / "deploy/other.yaml").write_text(text.replace("answers-server", "summaries-server"))
    code, told = take(answers, "--dry-run")
    assert code == 1
    [row] = [row for row in told["diagnostics"] if row["path"] == "serving"]
    assert "answers-server (deploy/serving.yaml:2)" in row["message"]
    assert "summaries-server" in row["message"]
    assert not any(path.startswith("serving") for path in taken(told))
    code, told = take(answers, "--dry-run", "--server", "answers-server")
    assert (code, taken(told)["serving.port"]) == (0, 8080)
    assert take(answers, "--dry-run", "--server", "nobody")[0] == 2


def test_environments_are_folders(tmp_path: Path, take: Import) -> None:
    text = (ANSWERS / "deploy/serving.yaml").read_text()
    for name, port, image in (("staging", 8080, "x"), ("prod", 9090, "x")):
        folder = tmp_path / "k8s" / "overlays" / name
        folder.mkdir(parents=True)
        changed = text.replace("answers-prod", f"answers-{name}").replace("8080", str(port)).replace("1.8.2", image)
        (folder / "serving.yaml").write_text(changed)
    _, told = take(tmp_path, "--dry-run", "--raw", "data/raw")
    found = taken(told)
    assert (found["serving.port"], found["environments.staging.serving.port"]) == (9090, 8080)
    assert found["environments.production.namespace"] == "answers-prod"
    assert found["environments.staging.namespace"] == "answers-staging"
    assert "environments.staging.serving.resources.gpu" not in found, "it is the same everywhere"


ODD = {
    "deploy/broken.yaml": (b"a: [1\nb: {\n", "deploy/broken.yaml", 2),
    "deploy/latin.yaml": ("kind: caf\xe9\n".encode("latin-1"), "is not UTF-8", None),
    "deploy/twice.yaml": (b"kind: a\nkind: b\n", "", 2),
    "deploy/tag.yaml": (b"a: !!python/object/apply:os.system [touch pwned]\n", "", 1),
    "deploy/bomb.yaml": (
        b"a: &a [x, x, x, x, x, x, x, x, x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b", ".join([b"*%c" % (97 + n)] * 9)) for n in range(9)),
        "",
        None,
    ),
    "deploy/large.yaml": (b"a: b\n" * 300_000, "larger than 1 MiB", None),
    "deploy/jinja.yaml": (b"a: {% if x %}b{% endif %}\n", "looks like a template", 1),
}


@pytest.mark.parametrize("path", ODD)
def test_odd_files_are_told_and_skipped(
    path: str, answers: Path, take: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, said, line = ODD[path]
    monkeypatch.chdir(answers)
    (answers / path).write_bytes(content)
    code, told = take(answers, "--dry-run")
    assert code == 0
    [row] = told["skipped"]
    assert row["file"] == path
    assert said in row["why"] or said == path
    assert line is None or row["line"] == line
    assert not (answers / "pwned").exists()


def test_charts_are_skipped(answers: Path, take: Import) -> None:
    chart = answers / "chart" / "templates"
    chart.mkdir(parents=True)
    (chart.parent / "Chart.yaml").write_text("apiVersion: v2\nname: answers\nversion: 1.0.0\n")
    (chart / "deployment.yaml").write_text("kind: Deployment\nspec: {replicas: {{ .Values.replicas }}}\n")
    code, told = take(answers, "--dry-run")
    assert code == 0
    assert [(row["file"], "helm template" in row["why"]) for row in told["skipped"]] == [
        ("chart/templates/deployment.yaml", True)
    ]


def test_line_ends_marks_and_links_do_no_harm(answers: Path, take: Import, tmp_path: Path) -> None:
    file = answers / "deploy" / "serving.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    secret = tmp_path / "outside.yaml"
    secret.write_text("train: {epochs: 99}\n")
    (answers / "deploy" / "params.yaml").symlink_to(secret)
    (answers / "loop").symlink_to(answers)
    code, told = take(answers, "--dry-run")
    assert code == 0
    assert taken(told)["serving.port"] == 8080
    assert taken(told)["training.epochs"] == 2


def test_credentials_are_not_repeated(answers: Path, take: Import) -> None:
    key = "sk-" + "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL"
    with (answers / "params.yaml").open("a") as stream:
        stream.write(f"openai_api_key: {key}\n")
    _, told = take(answers, "--dry-run")
    assert key not in json.dumps(told)


@pytest.mark.parametrize("content", [{}, {"notes.txt": "x"}, {"a.yaml": "- 1\n"}])
def test_a_folder_without_anything_is_refused(content: dict[str, str], tmp_path: Path, take: Import) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for name, text in content.items():
        (folder / name).write_text(text)
    code, told = take(folder)
    assert (code, [row["code"] for row in told["diagnostics"]]) == (2, ["E346"])
    assert not (folder / "mlops.yaml").exists()
    assert take(folder / "none")[0] == 2


JUNK = [None, [], {}, "", 5, -1, 1.5, True, "x: y", "{{ x }}", [None], [[1]], {"a": None}, "é\u2028", 10**40, "a:b@c"]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _paths(item, (*path, key))


@pytest.mark.parametrize("seed", [pytest.param(1, id="few"), pytest.param(2, id="many", marks=pytest.mark.slow)])
def test_no_file_makes_it_fail_or_give_what_does_not_validate(seed: int, tmp_path: Path, take: Import) -> None:
    """Values anywhere are replaced by junk: what comes out validates, or says what is missing."""
    chance = random.Random(seed)
    for number in range(6 if seed == 1 else 150):
        folder = shutil.copytree(ANSWERS, tmp_path / str(number))
        for _ in range(chance.randint(1, 4)):
            file = chance.choice(sorted([*folder.rglob("*.yaml"), folder / "MLproject"]))
            documents = list(yaml.safe_load_all(file.read_text()))
            path = chance.choice([path for path in _paths(documents) if len(path) > 1] or [(0,)])
            place: Any = documents
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = chance.choice(JUNK)
            file.write_text(yaml.safe_dump_all(documents, allow_unicode=True, sort_keys=False))
        code, _ = take(folder)
        assert code in (0, 1)
        if code == 0:
            assert run(["validate", str(folder)]) == 0
        shutil.rmtree(folder)
    assert os.listdir(tmp_path) == []


def test_every_object_is_spoken_of(answers: Path, take: Import) -> None:
    (answers / "deploy" / "more.yaml").write_text(
        """\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: answers, namespace: answers-prod}
spec: {minAvailable: 1, selector: {matchLabels: {app: answers-server}}}
---
apiVersion: acme.dev/v1
kind: Widget
metadata: {name: odd}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: redis, namespace: answers-prod}
spec: {scaleTargetRef: {kind: Deployment, name: redis}, minReplicas: 1, maxReplicas: 2}
"""
    )
    (answers / "mkdocs.yml").write_text("site_name: answers\n")
    (answers / "config").mkdir()
    (answers / "config" / "extra.yaml").write_text("weight_decay: 0.02\n")
    (answers / "config" / "extra.toml").write_text("a = 1\n")
    pipeline = answers / "dvc.yaml"
    names = "      - train\n      - config/extra.yaml:\n          - weight_decay\n      - config/extra.toml:\n"
    pipeline.write_text(pipeline.read_text().replace("      - train\n", names))
    code, told = take(answers, "--dry-run")
    assert code == 0
    found = taken(told)
    assert (found["serving.replicas.min_available"], found["training.weight_decay"]) == (1, 0.02)
    left = {one["what"]: (one["line"], one["why"]) for one in told["left"] if one["file"] == "deploy/more.yaml"}
    assert left["Widget/odd"][0] in (5, 6)
    assert "no such object" in left["Widget/odd"][1]
    assert "another workload" in left["HorizontalPodAutoscaler/redis"][1]
    assert told["unused"] == ["mkdocs.yml"]
    assert [(row["file"], row["why"]) for row in told["skipped"]] == [
        ("config/extra.toml", "parameters are read from YAML only")
    ]
    for kind in ("Service/answers-server", "Ingress/answers", "Deployment/redis"):
        assert kind in {one["what"] for one in told["left"]}


def test_a_plain_number_of_replicas_makes_room_for_a_budget(answers: Path, take: Import) -> None:
    (answers / "deploy" / "scaling.yaml").write_text(
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: answers, namespace: answers-prod}\n"
        "spec: {minAvailable: 2, selector: {matchLabels: {app: answers-server}}}\n"
    )
    code, told = take(answers)
    assert code == 0
    found = taken(told)
    assert (found["serving.replicas.min"], found["serving.replicas.min_available"]) == (3, 2)
    assert run(["validate", str(answers)]) == 0
