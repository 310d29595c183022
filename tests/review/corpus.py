"""Edits of the full example, at least one for each family of fields, and what a build makes of each."""

from __future__ import annotations

from functools import cache

import yaml

from mlopsgen.cli.sides import Compiler, Side, Source, present
from mlopsgen.cli.workspace import Workspace
from mlopsgen.spec.load import parse
from tests.conftest import FULL
from tests.manifests.specs import Changes, changed

PATCH = {
    "file": "deploy/staging/serving.yaml",
    "object": "Deployment/support-assistant-champion",
    "ops": [{"op": "add", "path": "/spec/template/spec/nodeSelector", "value": {"pool": "inference"}}],
}

EDITS: dict[str, Changes] = {
    "project.owner": {"project": {"owner": "search"}},
    "project.description": {"project": {"description": "Answers."}},
    "project.name": {"project": {"name": "helper"}},
    "project.repository": {"project": {"repository": "acme/other"}},
    "data.remote": {"data": {"remote": "gs://acme-mlops/dvc-store"}},
    "data.rows": {"data": {"rows": {"min": 2000}}},
    "data.columns": {"data": {"columns": {"prompt": {"length": {"max": 3000}}}}},
    "data.split": {"data": {"split": {"validation": "20%"}}},
    "data.drift.action": {"data": {"drift": {"action": "fail"}}},
    "data.drift.min_effect": {"data": {"drift": {"min_effect": 0.1}}},
    "model.name": {"model": {"name": "llama2-7b-other"}},
    "model.revision": {"model": {"revision": "11c7f73d771dfac7d292323805ebc428287df4f9"}},
    "model.preprocess": {"model": {"preprocess": ["strip"]}},
    "training.epochs": {"training": {"epochs": 4}},
    "training.checkpoint.every": {"training": {"checkpoint": {"every": 250}}},
    "training.checkpoint.store": {"training": {"checkpoint": {"store": "checkpoints"}}},
    "training.resources.gpu": {"training": {"resources": {"gpu": 8}}},
    "training.resources.nodes": {"training": {"resources": {"nodes": 2}}},
    "training.resources.spot": {"training": {"resources": {"spot": False}}},
    "training.engine": {"training": {"engine": "jobset"}},
    "training.search": {"training": {"search": {"trials": 40}}},
    "tracking.mlflow": {"tracking": {"mlflow": {"experiment": "other"}}},
    "tracking.wandb": {"tracking": {"wandb": None}},
    "evaluation.gates": {"evaluation": {"gates": {"val_loss": {"max": 1.5}}}},
    "evaluation.benchmark": {"evaluation": {"benchmark": {"requests": 200}}},
    "evaluation.bias": {"evaluation": {"bias": None}},
    "registry.keep": {"registry": {"keep": 5}},
    "serving.image": {"serving": {"image": "ghcr.io/acme/other"}},
    "serving.port": {"serving": {"port": 9000}},
    "serving.timeout": {"serving": {"timeout": "1m"}},
    "serving.queue": {"serving": {"queue": 32}},
    "serving.auth": {"serving": {"auth": {"secret": "other-token", "key": "token"}}},
    "serving.rate_limit": {"serving": {"rate_limit": {"requests": 30}}},
    "serving.resources.memory": {"serving": {"resources": {"memory": "32Gi"}}},
    "serving.resources.gpu": {"serving": {"resources": {"gpu": 2}}},
    "serving.replicas": {"serving": {"replicas": {"max": 12}}},
    "serving.update": {"serving": {"update": {"surge": 1, "unavailable": 0}}},
    "serving.cost": {"serving": {"cost": {"gpu_hour": 3.0}}},
    "environments.namespace": {"environments": {"staging": {"namespace": "ml-testing"}}},
    "environments.approval": {"environments": {"production": {"approval": False}}},
    "environments.replicas": {"environments": {"staging": {"serving": {"replicas": 3}}}},
    "environments.secret_store": {"environments": {"production": {"secret_store": {"name": "vault"}}}},
    "environments.removed": {"environments": {"staging": None}},
    "rollout.engine": {"rollout": {"engine": "nginx"}},
    "rollout.steps": {"rollout": {"steps": ["10%", "50%", "100%"]}},
    "rollout.gates": {"rollout": {"gates": {"error_rate": {"max": "4%"}}}},
    "rollout.testers": {"rollout": {"testers": {"value": "insiders"}}},
    "experiment": {"experiment": {"metric": "success"}},
    "monitoring.scrape_interval": {"monitoring": {"scrape_interval": "30s"}},
    "monitoring.slo": {"monitoring": {"slo": {"availability": "99.9%"}}},
    "monitoring.alerts.for": {"monitoring": {"alerts": {"latency_p95": {"for": "10m"}}}},
    "monitoring.alerts.max": {"monitoring": {"alerts": {"error_rate": {"max": "4%"}}}},
    "monitoring.alerts.min": {"monitoring": {"alerts": {"accuracy": {"min": "90%"}}}},
    "monitoring.alerts.severity": {"monitoring": {"alerts": {"gpu_memory": {"severity": "critical"}}}},
    "monitoring.alerts.custom": {"monitoring": {"alerts": {"custom": []}}},
    "monitoring.quality": {"monitoring": {"quality": {"every": "2h"}}},
    "monitoring.notify": {"monitoring": {"notify": {"slack": {"channel": "#other"}}}},
    "monitoring.operator": {"monitoring": {"operator": True}},
    "monitoring.dashboards": {"monitoring": {"dashboards": ["service", "quality"]}},
    "ci.python": {"ci": {"python": "3.12"}},
    "ci.schedule": {"ci": {"schedule": "0 4 * * 0"}},
    "ci.credentials": {"ci": {"credentials": {"aws": None}}},
    "ci.credentials.aws.role": {"ci": {"credentials": {"aws": {"role": "arn:aws:iam::123456789012:role/other"}}}},
    "ci.retrain_on": {"ci": {"retrain_on": ["data"]}},
    "targets": {"targets": {"grafana": False}},
    "unmanaged": {"unmanaged": ["docker/train.Dockerfile", "docs/pipeline.md"]},
    "patches": {"patches": [PATCH]},
    "written otherwise": {"evaluation": {"gates": {"val_accuracy": {"min": 0.85}}}, "x-cost-centre": 1},
}
"""Edits of the document by name; null takes a key out."""

RESEMBLING = {
    *("project.description", "project.repository", "data.columns", "data.drift.min_effect", "model.name"),
    *("training.checkpoint.every", "training.resources.nodes", "training.resources.spot", "tracking.mlflow"),
    *("evaluation.benchmark", "serving.port", "serving.queue", "serving.rate_limit", "serving.resources.memory"),
    *("serving.cost", "environments.approval", "environments.namespace", "rollout.gates", "rollout.testers"),
    *("monitoring.alerts.min", "monitoring.quality", "monitoring.dashboards", "monitoring.operator", "ci.python"),
    *("ci.schedule", "training.engine", "model.preprocess", "environments.secret_store", "monitoring.slo"),
}
"""Edits that resemble others: part of the long proofs."""

REVERSED = {"ci.credentials": "ci.credentials added", "tracking.wandb": "tracking.wandb added"}
"""Edits that are also looked at the other way round, from the edited document to the example."""


COMPILER = Compiler()


@cache
def example() -> Side:
    """The example without its patches, which take half a second each, compiled."""
    source = present(Workspace(str(FULL)))
    return COMPILER(_with(source, {"patches": None}))


def edited(changes: Changes) -> Side:
    """The same with an edit, compiled."""
    return COMPILER(_with(example().source, changes))


def _with(source: Source, changes: Changes) -> Source:
    document = changed(source.tree.plain(), changes)
    return source._replace(tree=parse(yaml.safe_dump(document, sort_keys=False), "mlops.yaml"))
