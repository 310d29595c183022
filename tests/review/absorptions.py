"""Edits of the full example's output, as people and bots make them; a copy of the example to make them in."""

from __future__ import annotations

import difflib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mlopsgen.cli.main import run
from tests.conftest import FULL

Change = Callable[[str], str]


class Edit(NamedTuple):
    """Changes of files; `spec` is one of mlops.yaml that was built before, `slow` keeps it out of the default run."""

    files: dict[str, Change]
    slow: bool = True
    spec: Change | None = None


def once(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


def every(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


def both(*changes: Change) -> Change:
    def change(text: str) -> str:
        for one in changes:
            text = one(text)
        return text

    return change


PARAMS = "params.yaml"
SERVING = "deploy/production/serving.yaml"
STAGING = "deploy/staging/serving.yaml"
SCALING = "deploy/production/scaling.yaml"
ROUTING = "deploy/production/routing.yaml"
RULES = "monitoring/rules.yaml"
ALERTMANAGER = "monitoring/alertmanager.yaml"
PROMETHEUS = "monitoring/prometheus.yaml"
CI = ".github/workflows/ml-ci.yaml"
TRAIN = ".github/workflows/ml-train.yaml"
RELEASE = ".github/workflows/ml-release.yaml"
GPUS = "monitoring/dashboards/gpu.json"
DOCKER = "docker/serve.Dockerfile"

FLOWING = both(
    once(
        "training:\n  epochs: 3\n  learning_rate: 2e-5\n",
        "training:\n  # how long\n\n  epochs:   3   # three is enough\n  learning_rate: 2e-5\n",
    ),
    once(
        "  checkpoint: {every: 500, keep: 3, store: s3://acme-mlops/checkpoints}",
        "  checkpoint: {\n    every: 500,   # steps\n    keep: 3, store: 's3://acme-mlops/checkpoints',\n  }  # kept",
    ),
    once("rollout:\n  engine: istio", "rollout:\n  # By header.\n  engine: istio"),
)
"""The example with comments between, flow style over several lines, a trailing comma and single quotes."""

EDITS: dict[str, Edit] = {
    "a number": Edit({PARAMS: once("epochs: 3.0", "epochs: 5.0")}, slow=False),
    "a small number": Edit({PARAMS: once("learning_rate: 2.0e-05", "learning_rate: 5.0e-06")}),
    "a boolean": Edit({PARAMS: once("packing: true", "packing: false")}, slow=False),
    "a share": Edit({PARAMS: once("validation: 0.1", "validation: 0.2")}),
    "a duration in seconds": Edit({PARAMS: once("max: 0.5\n", "max: 0.75\n")}),
    "a word of the language": Edit({PARAMS: once("scheduler: cosine", "scheduler: linear")}),
    "an address": Edit({PARAMS: once("s3://acme-mlops/checkpoints", "s3://acme-mlops/kept")}),
    "two fields": Edit(
        {PARAMS: both(once("batch_size: 16", "batch_size: 32"), once("warmup_steps: 100", "warmup_steps: 50"))}
    ),
    "a flow spec, a number": Edit(
        {PARAMS: both(once("epochs: 3.0", "epochs: 4.0"), once("every: 500", "every: 250"))}, spec=FLOWING, slow=False
    ),
    "a flow spec, a quoted text": Edit(
        {PARAMS: once("s3://acme-mlops/checkpoints", "s3://acme-mlops/o'ther")}, spec=FLOWING
    ),
    "an entry more": Edit({PARAMS: once("    - strip\n    - nfc\n", "    - strip\n    - nfc\n    - lower\n")}),
    "an entry less": Edit({PARAMS: once("    - strip\n    - nfc\n", "    - nfc\n")}),
    "another entry": Edit({PARAMS: once("    - nfc\n", "    - nfkc\n")}),
    "an environment's number": Edit({SCALING: once("maxReplicaCount: 20", "maxReplicaCount: 24")}, slow=False),
    "two bounds that rise over one another": Edit(
        {SCALING: once("minReplicaCount: 4\n  maxReplicaCount: 20", "minReplicaCount: 24\n  maxReplicaCount: 30")}
    ),
    "a threshold in quotes": Edit({SCALING: once('threshold: "8"', 'threshold: "12"')}),
    "what no field says": Edit({SCALING: once("pollingInterval: 15", "pollingInterval: 30")}),
    "a key at the end": Edit(
        {SCALING: once('ignoreNullValues: "false"\n', 'ignoreNullValues: "false"\n        unsafeSsl: "true"\n')}
    ),
    "a key amid others": Edit(
        {SCALING: once("  pollingInterval: 15\n", "  pollingInterval: 15\n  cooldownPeriod: 600\n")}, slow=False
    ),
    "memory of one container": Edit({SERVING: once("memory: 16Gi", "memory: 24Gi")}),
    "time to end, everywhere": Edit(
        {SERVING: every("terminationGracePeriodSeconds: 45", "terminationGracePeriodSeconds: 75")}
    ),
    "settings in a ConfigMap": Edit({SERVING: once("timeout: 30.0", "timeout: 60.0")}),
    "what a patch put there, gone": Edit({SERVING: once("      nodeSelector:\n        pool: inference\n", "")}),
    "what a patch put there": Edit({SERVING: once("pool: inference", "pool: gpu")}, slow=False),
    "replicas of one environment": Edit({STAGING: once("replicas: 2", "replicas: 3")}),
    "a limit with its description": Edit(
        {RULES: both(once("> 0) > 0.05", "> 0) > 0.04"), once("5m; 5% is the limit", "5m; 4% is the limit"))}
    ),
    "a limit alone": Edit({RULES: once("> 0) > 0.05", "> 0) > 0.04")}),
    "words of an alert of one's own": Edit(
        {RULES: every("Half of the answers exceed 400 tokens", "Half of the answers are long")}
    ),
    "an owner": Edit({RULES: every("owner: nlp-research", "owner: nlp-platform")}),
    "a channel": Edit({ALERTMANAGER: every('"#ml-alerts"', '"#ml-pages"')}),
    "a route's interval": Edit({ALERTMANAGER: once("repeat_interval: 1h", "repeat_interval: 2h")}),
    "an interval, everywhere": Edit({PROMETHEUS: every("15s", "30s")}),
    "an interval in one place": Edit({PROMETHEUS: once("scrape_interval: 15s", "scrape_interval: 20s")}),
    "a version of Python": Edit({CI: every('python-version: "3.11"', 'python-version: "3.12"')}),
    "a time limit of a job": Edit({CI: once("timeout-minutes: 20", "timeout-minutes: 45")}),
    "a command": Edit({CI: once("run: ruff check .", "run: ruff check --preview .")}),
    "a step more": Edit(
        {
            CI: once(
                "      - name: Formatting\n", "      - name: Hello\n        run: echo hello\n      - name: Formatting\n"
            )
        }
    ),
    "a schedule": Edit({TRAIN: once("0 3 * * 0", "0 5 * * 1")}),
    "a dashboard's time": Edit({GPUS: once('"from": "now-6h"', '"from": "now-12h"')}),
    "a dashboard's tag": Edit(
        {GPUS: once('    "support-assistant"\n  ],', '    "support-assistant",\n    "gpu"\n  ],')}
    ),
    "a dashboard without a key": Edit({GPUS: once('  "timezone": "browser",\n', "")}),
    "a port of an image": Edit({DOCKER: once("EXPOSE 8000", "EXPOSE 8001")}),
    "a group of testers": Edit({ROUTING: once("exact: beta-testers", "exact: friends")}),
    "a time limit of routes": Edit({ROUTING: every("timeout: 35s", "timeout: 50s")}),
    "a name of a route's host": Edit({ROUTING: every("- api.acme.dev", "- api.acme.example")}),
    "words of a stage": Edit({"dvc.yaml": once("desc: Train the model.", "desc: Train it.")}),
    "two files": Edit(
        {PARAMS: once("epochs: 3.0", "epochs: 2.0"), CI: once("run: ruff check .", "run: ruff check src")}
    ),
}


LESS = once(
    "targets: {grafana: true, local: true}",
    "targets: {grafana: false, local: false, prometheus: false, alertmanager: false}",
)
"""The example with half of its output, which takes half of the time."""


class Copy:
    """The full example in a folder of its own, and the real command in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def make(cls, folder: Path, spec: Change = str) -> Copy:
        shutil.copytree(FULL.parent, folder, ignore=shutil.ignore_patterns("__pycache__", ".git"))
        (folder / ".git").mkdir()
        (folder / "mlops.yaml").write_text(spec(FULL.read_text()))
        assert run(["build", "-q", "--force", str(folder)]) == 0
        return cls(folder)

    def of(self, folder: Path) -> Copy:
        shutil.copytree(self.folder, folder)
        return Copy(folder)

    @property
    def spec(self) -> str:
        return (self.folder / "mlops.yaml").read_text()

    def edit(self, files: dict[str, Change]) -> dict[str, str]:
        made = {}
        for path, change in files.items():
            before = (self.folder / path).read_text()
            made[path] = change(before)
            assert made[path] != before
            (self.folder / path).write_text(made[path])
        return made


def changed_lines(old: str, new: str) -> list[str]:
    """Lines of a diff without its context."""
    found = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    return [line for line in found if not line.startswith(("---", "+++", "@@"))]


def comments(text: str) -> list[str]:
    return re.findall(r"(?<=\s)#.*|^#.*", text, re.MULTILINE)
