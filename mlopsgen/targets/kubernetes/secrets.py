"""Secrets that the pods of an environment need, and how they are made from a store."""

from __future__ import annotations

from typing import Any, NamedTuple

from mlopsgen.contract.files import TRACKING_SECRET
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import labels, named
from mlopsgen.spec.traced import join


class Needed(NamedTuple):
    """A Secret.

    Attributes:
        keys: entries that pods name; without one, all entries become environment variables.
        why: what it is for.
    """

    name: str
    keys: tuple[str, ...]
    why: str
    optional: bool = False


def needed(project: Project, environment: Environment) -> list[Needed]:
    """Every Secret, by name."""
    found: dict[str, Needed] = {}
    auth, retrain = environment.serving.auth, environment.monitoring.notify.retrain
    asked = [(auth.secret, auth.key, "bearer token of the API")] if auth is not None else []
    if retrain.auth is not None and retrain.url is None:
        asked.append((retrain.auth.secret, retrain.auth.key, "bearer token of alerts that start a training"))
    if project.tracking.mlflow.uri is None:
        asked.append((*TRACKING_SECRET, "address of MLflow"))
    for name, key, why in asked:
        known = found.get(name, Needed(name, (), ""))
        whole = why if not known.why or known.why == why else f"{known.why}; {why}"
        found[name] = Needed(name, tuple(dict.fromkeys((*known.keys, key))), whole)
    name = named(project, "credentials")
    why = (
        "environment variables such as `MLFLOW_TRACKING_TOKEN`, `HF_TOKEN`, credentials of the object store, and "
        "`GITHUB_TOKEN` to start trainings"
    )
    found[name] = Needed(name, (), why, optional=True)
    return [found[name] for name in sorted(found)]


def context(project: Project, environment: Environment) -> dict[str, Any]:
    """What the template of `secrets.yaml` takes.

    Raises:
        AssertionError: the environment has no store.
    """
    store = environment.secret_store
    assert store is not None
    return {
        "namespace": environment.namespace,
        "labels": labels(project, "serving"),
        "store": {"kind": store.kind, "name": store.name},
        "secrets": [
            {"name": each.name, "keys": each.keys, "path": join(store.prefix or "", each.name)}
            for each in needed(project, environment)
        ],
    }
