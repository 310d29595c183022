"""Promotion and rollback: which version is the champion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from mlops_runtime import parameters
from mlops_runtime.errors import Mistaken
from mlops_runtime.registry import ledger, state
from mlops_runtime.registry.ledger import Entry
from mlops_runtime.tracking import server

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Outcome(NamedTuple):
    """What came of it.

    Attributes:
        text: for people.
        champion: version in production now.
        reached: whether that is the version that was asked for.
    """

    text: str
    champion: str | None
    reached: bool


def promote(version: str, of: tuple[str, int] | None = None) -> Outcome:
    """Make a version the champion; the one before is archived. Doing it again changes nothing.

    Args:
        version: number in the registry.
        of: name of the registered model, and how many retired versions are kept; as `params.yaml` says when None.

    Raises:
        Mistaken: no such version, or the server does not answer.
    """
    with server.answering():
        client, name, keep = opened(of)
        now = state.settle(client, name, keep)
        _demand(client, name, version)
        if now.champion == version:
            return Outcome(f"version {version} of {name} is the champion already", version, True)
        before = now.champion
        state.add(client, name, _entry(client, name, now.entries, "promote", version))
        after = state.settle(client, name, keep)
    if after.champion != version:
        text = f"version {after.champion} of {name} was promoted at the same time as {version} and is the champion now"
        return Outcome(text, after.champion, False)
    replaced = f"; version {before} is archived" if before else ""
    return Outcome(f"version {version} of {name} is the champion{replaced}", version, True)


def rollback(version: str | None) -> Outcome:
    """Return to an earlier champion.

    A rollback without a number that was begun and not finished is finished, and goes no further back.

    Args:
        version: number in the registry, which must have been in production; the champion before this one when None.

    Raises:
        Mistaken: nothing to return to, or the server does not answer.
    """
    with server.answering():
        client, name, keep = opened()
        last = state.look(client, name).entries[-1:]
        now = state.settle(client, name, keep)
        unfinished = bool(last) and last[0].action == "rollback" and last[0].done is None
        if version is None and unfinished and now.entries[-1].name == last[0].name:
            text = f"version {now.champion} of {name} is the champion: the rollback of {last[0].at} is finished"
            return Outcome(text, now.champion, True)
        wanted = version or _before(name, now.entries)
        if wanted not in {entry.version for entry in now.entries}:
            known = ", ".join(reversed(ledger.retired(now.entries))) or "none"
            raise Mistaken(
                f"version {wanted} of {name} was never in production (versions that were: {known}): name one of them, "
                "or use `promote`"
            )
        _demand(client, name, wanted)
        if now.champion == wanted:
            return Outcome(f"version {wanted} of {name} is the champion already", wanted, True)
        state.add(client, name, _entry(client, name, now.entries, "rollback", wanted))
        after = state.settle(client, name, keep)
    if after.champion != wanted:
        text = f"version {after.champion} of {name} was promoted at the same time and is the champion now"
        return Outcome(text, after.champion, False)
    return Outcome(f"back to version {wanted} of {name}; version {now.champion} is archived", wanted, True)


def challenger(name: str) -> str | None:
    """The version that is tried next; None for none.

    Raises:
        Mistaken: the registry has no such model, or does not answer.
    """
    with server.answering():
        client, _, _ = opened((name, 0))
        return state.look(client, name).challenger


def opened(of: tuple[str, int] | None = None) -> tuple[MlflowClient, str, int]:
    """Client, name of the registered model, and how many retired versions are kept.

    Args:
        of: both; as `params.yaml` says when None.

    Raises:
        Mistaken: no parameters, or the registry has no such model.
    """
    if of is None:
        given = parameters.read("model", "register")
        of = given["model"]["name"], int(given["register"]["keep"])
    name, keep = of
    if not server.exists(server.uri()):
        raise _unknown(name)
    client = server.client()
    _demand_model(client, name)
    return client, name, keep


def _demand_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        server.patient(client.get_registered_model, name)
    except MlflowException as error:
        if not server.absent(error):
            raise
        raise _unknown(name) from None


def _unknown(name: str) -> Mistaken:
    return Mistaken(f"the registry at {server.shown(server.uri())} has no model {name}: run `dvc repro register`")


def _demand(client: MlflowClient, name: str, version: str) -> None:
    known = {str(found.version): found for found in state.versions(client, name)}
    if version not in known:
        there = ", ".join(known) or "none"
        raise Mistaken(f"the registry has no version {version} of {name}: it has {there}")
    if known[version].status != "READY":
        raise Mistaken(f"version {version} of {name} is not complete ({known[version].status}): register it again")


def _before(name: str, entries: Sequence[Entry]) -> str:
    champions = ledger.stack(entries)
    if len(champions) < 2:
        raise Mistaken(f"there is no champion of {name} before this one to return to")
    return champions[-2]


def _entry(client: MlflowClient, name: str, entries: Sequence[Entry], action: ledger.Action, version: str) -> Entry:
    return ledger.following(entries, action, version, **state.about(client, name, version))
