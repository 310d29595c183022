"""A version that was tried and taken back."""

from __future__ import annotations

import json

from mlops_runtime.registry import ledger, state
from mlops_runtime.tracking import facts, server
from mlopsgen.contract import registry

REPORTS = "rollout"
"""Folder of a run's artifacts."""


def reject(name: str, version: str, reason: str) -> None:
    """Note on the version why it was taken back, and that it is no challenger any more.

    The note has no say in who is the champion: it cannot get in the way of a promotion at the same time. Doing it again
    changes nothing, the first reason stays.

    Args:
        name: of the registered model.
        version: its number.
        reason: in words.

    Raises:
        Mistaken: no such version, or the server does not answer.
    """
    with server.answering():
        client = server.client()
        found = server.patient(client.get_model_version, name, version)
        if registry.TAG_REJECTED not in found.tags:
            note = json.dumps({"at": ledger.now(), "by": facts.person(), "reason": reason})
            server.patient(client.set_model_version_tag, name, version, registry.TAG_REJECTED, note)
        now = state.look(client, name)
        if now.challenger == version:
            server.patient(client.delete_registered_model_alias, name, registry.CHALLENGER)
        if now.champion != version and found.tags.get(registry.TAG_STAGE) == "staging":
            server.patient(client.set_model_version_tag, name, version, registry.TAG_STAGE, "none")


def keep(name: str, version: str, path: str) -> None:
    """Store a file with the run that made a version; without a run, nothing is stored.

    Raises:
        Mistaken: no such version, or the server does not answer.
    """
    with server.answering():
        client = server.client()
        run = server.patient(client.get_model_version, name, version).run_id
        if run:
            server.patient(client.log_artifact, run, path, REPORTS)
