"""Single effects: what cannot change, what stays up, which alert fires earlier, what may do more."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from mlopsgen.review.documents import Files
from mlopsgen.review.effects import CLASSES, Effect, effects, totals
from mlopsgen.review.effects.alerts import seconds
from tests.review import corpus, independent

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "server", "namespace": "ml"},
    "spec": {
        "replicas": 8,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
        "selector": {"matchLabels": {"app": "server"}},
        "template": {
            "metadata": {"labels": {"app": "server", "app.kubernetes.io/component": "serving"}},
            "spec": {
                "containers": [
                    {
                        "name": "server",
                        "image": "one",
                        "env": [{"name": "MLOPS_MODEL_URI", "value": "models:/m/1"}],
                        "resources": {"limits": {"nvidia.com/gpu": 2}},
                        "startupProbe": {"periodSeconds": 10, "failureThreshold": 30},
                    }
                ]
            },
        },
    },
}


def changed(given: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A manifest with other values at dotted paths, `__` for a dot; None takes a field out."""
    result: dict[str, Any] = yaml.safe_load(yaml.safe_dump(given))
    for path, value in fields.items():
        *above, last = path.split("__")
        here = result
        for part in above:
            here = here[int(part)] if isinstance(here, list) else here[part]  # type: ignore[index]
        if value is None:
            here.pop(last)
        else:
            here[last] = value
    return result


def judged(old: Any, new: Any, path: str = "deploy/live/serving.yaml") -> list[Effect]:
    sides = [Files({path: yaml.safe_dump(side).encode()} if side else {}) for side in (old, new)]
    return effects(*sides)


def one(old: Any, new: Any, kind: str, path: str = "deploy/live/serving.yaml") -> Effect:
    return next(effect for effect in judged(old, new, path) if effect.kind == kind)


def test_a_new_template_restarts_pods_and_loads_the_model_again() -> None:
    new = changed(DEPLOYMENT, spec__template__spec__containers__0__image="two")
    effect = one(DEPLOYMENT, new, "restart")
    assert effect.environment == "live"
    assert effect.facts == {
        "workload": "server",
        "pods": 8,
        "pods_at_most": 8,
        "gpus": 16,
        "capacity_left": 7,
        "pods_during_rollout": 10,
    }
    assert effect.text == (
        "8 pods of server with 2 GPUs each are replaced; 7 of 8 (87 %) run all the while; "
        "needs room for 2 more pods and 4 GPUs"
    )
    assert one(DEPLOYMENT, new, "reload").text == "8 servers of server load the model again, each within 5 min"


@pytest.mark.parametrize(
    ("strategy", "left", "most"),
    [
        ({"type": "Recreate"}, 0, 8),
        ({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "30%"}}, 6, 8),
        ({"rollingUpdate": {"maxSurge": "30%", "maxUnavailable": 0}}, 8, 11),
        ({}, 6, 10),
        ({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 20}}, 0, 8),
    ],
)
def test_capacity_follows_the_strategy(strategy: Any, left: int, most: int) -> None:
    new = changed(DEPLOYMENT, spec__strategy=strategy, spec__template__spec__containers__0__image="two")
    facts = one(DEPLOYMENT, new, "restart").facts
    assert (facts["capacity_left"], facts["pods_during_rollout"]) == (left, most)


def test_without_pods_nothing_restarts() -> None:
    none = changed(DEPLOYMENT, spec__replicas=0)
    found = judged(none, changed(none, spec__template__spec__containers__0__image="two"))
    assert totals(found) == {"configuration": 1}


SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 1}]}}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "c"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "50Gi"}}},
}
JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "j"},
    "spec": {"completionMode": "Indexed", "completions": 1, "parallelism": 1, "backoffLimit": 3, "template": {"a": 1}},
}
STATEFUL = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "t"},
    "spec": {"serviceName": "t", "replicas": 2, "template": {"spec": {"containers": []}}},
}
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "b"},
    "roleRef": {"kind": "Role", "name": "a"},
}


@pytest.mark.parametrize(
    ("old", "fields", "recreated"),
    [
        (DEPLOYMENT, {"spec__selector": {"matchLabels": {"app": "other"}}}, ["spec.selector"]),
        (DEPLOYMENT, {"metadata__namespace": "other"}, ["metadata.namespace"]),
        (DEPLOYMENT, {"apiVersion": "extensions/v1beta1"}, ["apiVersion"]),
        (DEPLOYMENT, {"spec__replicas": 3}, None),
        (SERVICE, {"spec__clusterIP": "None"}, ["spec.clusterIP"]),
        (SERVICE, {"spec__ports": [{"port": 2}]}, None),
        (CLAIM, {"spec__resources": {"requests": {"storage": "20Gi"}}}, ["spec.resources.requests.storage"]),
        (CLAIM, {"spec__resources": {"requests": {"storage": "100Gi"}}}, None),
        (CLAIM, {"spec__accessModes": ["ReadWriteMany"]}, ["spec.accessModes"]),
        (JOB, {"spec__template": {"a": 2}}, ["spec.template"]),
        (JOB, {"spec__completions": 2}, ["spec.completions"]),
        (JOB, {"spec__completions": 2, "spec__parallelism": 2}, None),
        (JOB, {"spec__backoffLimit": 6}, None),
        (STATEFUL, {"spec__serviceName": "other"}, ["spec.serviceName"]),
        (STATEFUL, {"spec__replicas": 3}, None),
        (BINDING, {"roleRef": {"kind": "Role", "name": "z"}}, ["roleRef"]),
        ({**JOB, "kind": "JobSet"}, {"spec__template": {"a": 2}}, ["spec.template"]),
        ({**JOB, "kind": "TrainJob"}, {"spec__suspend": True}, None),
    ],
)
def test_what_cannot_change_is_made_anew(old: Any, fields: Any, recreated: list[str] | None) -> None:
    found = [effect.facts["fields"] for effect in judged(old, changed(old, **fields)) if effect.kind == "recreate"]
    assert found == ([recreated] if recreated else [])


def test_what_goes_is_said_and_a_volume_with_its_data() -> None:
    assert one(CLAIM, None, "recreate").text.endswith("; a volume goes with its data")
    assert totals(judged(None, CLAIM)) == {"configuration": 1}


RULE = {
    "alert": "Down",
    "expr": "sum(up) / sum(a) > 0.5 and sum(b) >= 10",
    "for": "5m",
    "labels": {"severity": "warning"},
}


@pytest.mark.parametrize(
    ("fields", "how"),
    [
        ({"for": "1h30m"}, "later"),
        ({"for": "30s"}, "earlier"),
        ({"expr": RULE["expr"].replace("0.5", "0.4")}, "earlier"),
        ({"expr": RULE["expr"].replace("0.5", "0.6")}, "later"),
        ({"expr": RULE["expr"].replace("10", "5"), "for": "1m"}, "earlier"),
        ({"expr": RULE["expr"].replace("10", "5"), "for": "6m"}, "otherwise"),
        ({"expr": RULE["expr"].replace("> 0.5", "< 0.5")}, "otherwise"),
        ({"expr": RULE["expr"].replace("sum(up)", "sum(up) * 2")}, "otherwise"),
        ({"labels": {"severity": "critical"}}, "labels"),
        ({"annotations": {"summary": "x"}}, None),
    ],
)  # fmt: skip
def test_which_alert_fires_earlier_or_later(fields: Any, how: str | None) -> None:
    old, new = ({"groups": [{"name": "g", "rules": [rule]}]} for rule in (RULE, {**RULE, **fields}))
    found = judged(old, new, "monitoring/rules.yaml")
    assert [(effect.kind, effect.facts.get("how")) for effect in found] == [("alerts" if how else "metadata", how)]
    if how in ("earlier", "later", "otherwise"):
        assert independent.direction(RULE, {**RULE, **fields}) == how


@pytest.mark.parametrize("name", [name for name in corpus.EDITS if name.startswith("monitoring.alerts.")])
def test_directions_of_the_corpus_are_those_of_prometheus_grammar(name: str) -> None:
    base, head = corpus.example(), corpus.edited(corpus.EDITS[name])
    sides = [
        {rule["alert"]: rule for group in side.files.document("monitoring/rules.yaml")["groups"] for rule in group["rules"] if "alert" in rule}
        for side in (base, head)
    ]  # fmt: skip
    for effect in effects(base.files, head.files, base.kept | head.kept):
        if effect.facts.get("how") in ("earlier", "later"):
            for alert in effect.facts["alerts"]:  # type: ignore[attr-defined]
                assert independent.direction(sides[0][alert], sides[1][alert]) == effect.facts["how"]


def test_a_recorded_series_takes_its_alerts_along() -> None:
    rules = [{"record": "r", "expr": "sum(a)"}, {"alert": "A", "expr": "r > 1"}, {"alert": "B", "expr": "b > 1"}]
    old = {"groups": [{"name": "g", "rules": rules}]}
    new = {"groups": [{"name": "g", "rules": [{"record": "r", "expr": "sum(c)"}, *rules[1:]]}]}
    assert one(old, new, "alerts", "monitoring/rules.yaml").facts["alerts"] == ["A"]


def test_alerts_of_one_name_are_told_apart_by_what_they_ask() -> None:
    rules = [{"alert": "A", "expr": f"absent({name})"} for name in "abc"]
    old, new = ({"groups": [{"name": "g", "rules": some}]} for some in (rules, [rules[0], rules[2]]))
    effect = one(old, new, "alerts", "monitoring/rules.yaml")
    assert (effect.facts["how"], effect.number) == ("gone", 1)


WORKFLOW: dict[str, Any] = {
    "on": "push",
    "permissions": {},
    "jobs": {"build": {"permissions": {"contents": "read"}, "steps": [{"run": "x"}]}},
}


@pytest.mark.parametrize(
    ("job", "grants"),
    [
        ({"permissions": {"contents": "write"}}, [["build", "contents", "write"]]),
        ({"permissions": {"contents": "read", "id-token": "write"}}, [["build", "id-token", "read"], ["build", "id-token", "write"]]),
        ({"permissions": "read-all"}, [["build", "everything", "read"]]),
        ({"permissions": {"contents": "read"}, "env": {"X": "${{ secrets.KEY }}"}}, [["build", "secret", "KEY"]]),
        ({"permissions": {"contents": "read"}, "secrets": "inherit"}, [["build", "secret", "(all)"]]),
        ({"permissions": {}, "steps": [{"with": {"role-to-assume": "arn:x"}}]}, [["build", "identity", "arn:x"]]),
        ({"permissions": {}}, None),
        ({"permissions": {"contents": "read"}, "env": {"X": "${{ secrets.GITHUB_TOKEN }}"}}, None),
    ],
)  # fmt: skip
def test_permissions_that_a_workflow_gains(job: Any, grants: Any) -> None:
    new = {**WORKFLOW, "jobs": {"build": job}}
    found = judged(WORKFLOW, new, "//.github/workflows/x.yaml")
    assert [(effect.kind, effect.facts.get("grants")) for effect in found] == [
        ("permissions" if grants else "configuration", grants)
    ]


def test_a_role_that_gains_rights() -> None:
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], "resourceNames": ["a"]}
    old = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": [rule]}
    new = {**old, "rules": [{**rule, "verbs": ["get", "patch"]}]}
    assert one(old, new, "permissions").facts["grants"] == ["patch apps/deployments a"]
    assert totals(judged(new, old)) == {"configuration": 1}


def test_kept_files_say_nothing_once_they_are_there() -> None:
    sides = [Files({"dependabot.yaml": text}) for text in (b"a: 1\n", b"a: 2\n")]
    assert effects(*sides, frozenset({"dependabot.yaml"})) == []
    assert totals(effects(Files({}), sides[1], frozenset({"dependabot.yaml"}))) == {"configuration": 1}


def test_stages_that_only_say_it_otherwise_do_not_run_again() -> None:
    stage = {"cmd": "x", "deps": ["a", "b"], "outs": ["c"], "desc": "one"}
    new = {**stage, "deps": ["b", "a"], "outs": [{"c": {"cache": False}}], "desc": "two"}
    assert totals(judged({"stages": {"s": stage}}, {"stages": {"s": new}}, "dvc.yaml")) == {"metadata": 1}
    again = judged(
        {"stages": {"s": stage}},
        {"stages": {"s": {**stage, "cmd": "y"}, "t": {"cmd": "z", "deps": ["c/d"]}}},
        "dvc.yaml",
    )
    assert [effect.facts["stages"] for effect in again] == [["s", "t"]]


def test_seconds() -> None:
    assert seconds("1h30m") == 5400
    assert seconds("500ms") == 0.5


def test_every_class_says_what_it_counts() -> None:
    assert all(len(forms) == 2 and all(forms) for forms in CLASSES.values())
