"""The registry as its ledger says it should be: alias, lifecycle tags, and what may be removed."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_runtime.errors import Mistaken
from mlops_runtime.registry import ledger
from mlops_runtime.registry.ledger import Entry
from mlops_runtime.tracking import facts, server
from mlopsgen.contract import registry

if TYPE_CHECKING:
    from mlflow import MlflowClient

ROUNDS = 50
"""Looks at the registry before others are taken to be at it without end."""

LATE = 300.0
"""Seconds after an entry was carried out in which an alias that says otherwise was moved by a slower process of ours,
and is set right; after them somebody moved it on purpose, and the ledger notes that."""


class State(NamedTuple):
    """A registered model.

    Attributes:
        entries: of the ledger, in order.
        champion: version in production; None when there is none.
        challenger: version that is tried next; None when there is none.
    """

    entries: list[Entry]
    champion: str | None
    challenger: str | None


def look(client: MlflowClient, name: str) -> State:
    """The registered model as it is.

    Raises:
        MlflowException: there is none of that name, or the server does not answer.
    """
    model = server.patient(client.get_registered_model, name)
    aliases = {alias: str(version) for alias, version in model.aliases.items()}
    entries = ledger.read(model.tags)
    return State(entries, aliases.get(registry.CHAMPION), aliases.get(registry.CHALLENGER))


def settle(client: MlflowClient, name: str, keep: int) -> State:
    """Carry out the last entry of the ledger, whoever wrote it, and say what came of it.

    Args:
        client: of the registry.
        name: of the registered model.
        keep: retired versions that are not marked as removable.

    Returns:
        The state in which a look before and after changing anything found the same.

    Raises:
        MlflowException: the server does not answer.
        Mistaken: others do not stop changing the same model.
    """
    for _ in range(ROUNDS):
        state = look(client, name)
        if not _aligned(client, name, state):
            continue
        _mark(client, name, state, keep)
        after = look(client, name)
        if (after.entries, after.champion) == (state.entries, state.champion):
            return after
    raise Mistaken(f"the registry entry of {name} does not come to rest, others change it: try again later")


def add(client: MlflowClient, name: str, entry: Entry) -> None:
    """Write an entry. The same one twice is one."""
    key, value = ledger.written(entry)
    server.patient(client.set_registered_model_tag, name, key, value)


def _aligned(client: MlflowClient, name: str, state: State) -> bool:
    """Whether alias and ledger agree; does one step towards it when they do not."""
    last = state.entries[-1] if state.entries else None
    if last is None:
        if state.champion is None:
            return True
        _found(client, name, state)
        return False
    if state.champion != last.version:
        if last.done is not None and _age(last.done) > LATE:
            _found(client, name, state)
        else:
            _point(client, name, state, last)
        return False
    if last.done is None:
        server.patient(client.set_registered_model_tag, name, last.key + ledger.DONE, ledger.now())
        return False
    return True


def _point(client: MlflowClient, name: str, state: State, last: Entry) -> None:
    from mlflow.exceptions import MlflowException

    if last.version is None:
        server.patient(client.delete_registered_model_alias, name, registry.CHAMPION)
        return
    if last.done is not None:
        say(f"the alias {registry.CHAMPION} of {name} pointed to version {state.champion}: set right")
    try:
        server.patient(client.set_registered_model_alias, name, registry.CHAMPION, last.version)
    except MlflowException as error:
        if not server.absent(error):
            raise
        say(f"version {last.version} of {name} was deleted before it became the champion")
        _found(client, name, state)


def _found(client: MlflowClient, name: str, state: State) -> None:
    """Note that somebody moved the alias."""
    entry = ledger.following(state.entries, "found", state.champion, **about(client, name, state.champion))
    add(client, name, entry)
    where = f"to version {state.champion}" if state.champion else "away"
    say(f"the alias {registry.CHAMPION} of {name} was moved {where} by hand: noted in the ledger")


def about(client: MlflowClient, name: str, version: str | None) -> dict[str, Any]:
    """Facts of a version that its entry holds, so that the ledger is complete without the version."""
    from mlflow.exceptions import MlflowException

    try:
        found = server.patient(client.get_model_version, name, version) if version else None
    except MlflowException as error:
        if not server.absent(error):
            raise
        found = None
    tags = found.tags if found is not None else {}
    return {
        "by": facts.person(),
        "run_id": found.run_id if found is not None else None,
        "semantic_version": tags.get(registry.TAG_SEMANTIC_VERSION),
    }


def _mark(client: MlflowClient, name: str, state: State, keep: int) -> None:
    """Lifecycle of each version, no challenger that is the champion, and which versions may be removed."""
    if state.challenger is not None and state.challenger == state.champion:
        server.patient(client.delete_registered_model_alias, name, registry.CHALLENGER)
    gone = ledger.retired(state.entries)
    for version in versions(client, name):
        number = str(version.version)
        stage = "none"
        if number == state.champion:
            stage = "production"
        elif number == state.challenger:
            stage = "staging"
        elif number in gone:
            stage = "archived"
        wanted = {registry.TAG_STAGE: stage}
        if number in gone[keep:]:
            wanted[registry.TAG_REMOVABLE] = "true"
        elif registry.TAG_REMOVABLE in version.tags:
            server.patient(client.delete_model_version_tag, name, number, registry.TAG_REMOVABLE)
        for tag, value in wanted.items():
            if version.tags.get(tag) != value:
                server.patient(client.set_model_version_tag, name, number, tag, value)


def versions(client: MlflowClient, name: str) -> list[Any]:
    """All versions of a registered model, the first one first."""
    found: list[Any] = []
    token = None
    quoted = name.replace("'", "''")
    while True:
        page = server.patient(client.search_model_versions, f"name='{quoted}'", 1000, None, token)
        found += page
        token = page.token
        if not token:
            return sorted(found, key=lambda version: int(version.version))


def _age(moment: str) -> float:
    """Seconds since a time of the ledger."""
    from datetime import UTC

    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


def say(text: str) -> None:
    """Tell people on standard error."""
    print(f"registry: {text}", file=sys.stderr, flush=True)
