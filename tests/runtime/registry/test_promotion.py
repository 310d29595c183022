"""Promotion, rollback and the ledger, on a real SQLite registry."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlops_runtime.__main__ import cli
from mlops_runtime.errors import Mistaken
from mlops_runtime.registry import history, ledger, promotion, state
from mlops_runtime.tracking import server

WRITES = (
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "set_registered_model_tag",
    "set_model_version_tag",
    "delete_model_version_tag",
)


@pytest.fixture
def client(project: Path) -> MlflowClient:
    """Of a registry with versions 1 to 5 of `tiny`."""
    client = server.client()
    client.create_registered_model("tiny")
    for _ in range(5):
        client.create_model_version("tiny", "somewhere", tags={"semantic_version": "1.0.0"})
    return client


def champion(client: MlflowClient) -> str | None:
    found = client.get_registered_model("tiny").aliases.get("champion")
    return None if found is None else str(found)


def lifecycles(client: MlflowClient) -> dict[str, str]:
    found = state.versions(client, "tiny")
    return {str(version.version): version.tags.get("lifecycle", "") for version in found}


def consistent(client: MlflowClient) -> None:
    """One champion, the same in alias, ledger and lifecycle; and no stage anywhere."""
    found = state.look(client, "tiny")
    assert found.champion == found.entries[-1].version
    assert found.entries[-1].done is not None
    producing = [version for version, stage in lifecycles(client).items() if stage == "production"]
    assert producing == [found.champion]
    assert {version.current_stage for version in state.versions(client, "tiny")} == {"None"}


def test_the_champion_before_is_archived_and_the_challenger_is_none_any_more(client: MlflowClient) -> None:
    client.set_registered_model_alias("tiny", "challenger", "2")
    assert promotion.promote("1").text == "version 1 of tiny is the champion"
    assert lifecycles(client) == {"1": "production", "2": "staging", "3": "none", "4": "none", "5": "none"}
    assert promotion.promote("2").text == "version 2 of tiny is the champion; version 1 is archived"
    assert lifecycles(client) == {"1": "archived", "2": "production", "3": "none", "4": "none", "5": "none"}
    assert client.get_registered_model("tiny").aliases == {"champion": 2}
    consistent(client)


def test_promoting_again_changes_nothing(client: MlflowClient) -> None:
    promotion.promote("1")
    before = client.get_registered_model("tiny").tags
    again = promotion.promote("1")
    assert (again.champion, again.reached) == ("1", True)
    assert client.get_registered_model("tiny").tags == before


def test_rollback_goes_back_one_champion_at_a_time_and_to_any_earlier_one(client: MlflowClient) -> None:
    for version in ("1", "2", "3"):
        promotion.promote(version)
    assert promotion.rollback(None).champion == "2"
    assert promotion.rollback(None).champion == "1"
    with pytest.raises(Mistaken, match="no champion of tiny before"):
        promotion.rollback(None)
    assert promotion.rollback("3").champion == "3"
    assert promotion.rollback("3").text == "version 3 of tiny is the champion already"
    with pytest.raises(Mistaken, match="version 4 of tiny was never in production"):
        promotion.rollback("4")
    consistent(client)


def test_retired_versions_stay_and_those_beyond_keep_are_marked(client: MlflowClient) -> None:
    for version in ("1", "2", "3", "4", "5"):
        promotion.promote(version)
    found = state.versions(client, "tiny")
    assert len(found) == 5
    assert [str(version.version) for version in found if "removable" in version.tags] == ["1", "2"]
    promotion.rollback("1")
    marked = [str(each.version) for each in state.versions(client, "tiny") if "removable" in each.tags]
    assert marked == ["2", "3"]  # 5 and 4 retired last


def test_the_ledger_says_what_was_in_production_when(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    promotion.promote("1")
    promotion.promote("2")
    promotion.rollback(None)
    result = CliRunner().invoke(cli, ["history", "--format", "json"], catch_exceptions=False)
    spans = json.loads(result.stdout)
    assert [(span["version"], span["action"]) for span in spans] == [
        ("1", "rollback"),
        ("2", "promote"),
        ("1", "promote"),
    ]
    assert spans[0]["until"] is None
    assert spans[0]["from"] == spans[1]["until"] > spans[1]["from"] == spans[2]["until"]
    assert {(span["by"], span["semantic_version"]) for span in spans} == {("ada", "1.0.0")}
    text = CliRunner().invoke(cli, ["history"]).stdout.splitlines()
    assert len(text) == 4
    assert text[1].split()[0] == "1"
    assert "now" in text[1]


@contextmanager
def killed_at(number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process dies instead of its write `number`, counted from 0, as it would right behind the one before."""
    count = 0

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count > number:
                raise KeyboardInterrupt
            return real(*arguments, **named)

        return call

    with monkeypatch.context() as patch:
        for name in WRITES:
            patch.setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))
        yield


@pytest.mark.parametrize("number", range(6))
def test_a_crash_anywhere_heals_with_the_next_operation(
    number: int, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    promotion.promote("1")
    client.set_registered_model_alias("tiny", "challenger", "2")
    with killed_at(number, monkeypatch), pytest.raises(KeyboardInterrupt):
        promotion.promote("2")
    begun = state.look(client, "tiny").entries[-1].version
    state.settle(client, "tiny", 2)  # as every operation begins
    assert champion(client) == begun
    consistent(client)
    promotion.promote("2")
    assert champion(client) == "2"
    assert "challenger" not in client.get_registered_model("tiny").aliases
    consistent(client)


def test_a_rollback_that_was_cut_short_is_finished_and_goes_no_further(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1", "2", "3"):
        promotion.promote(version)
    with killed_at(1, monkeypatch), pytest.raises(KeyboardInterrupt):
        promotion.rollback(None)
    assert champion(client) == "3"
    again = promotion.rollback(None)
    assert (again.champion, "is finished" in again.text) == ("2", True)
    consistent(client)


@pytest.mark.parametrize(
    ("name", "nth"),
    [
        ("set_registered_model_tag", 1),  # the entry
        ("set_registered_model_alias", 1),
        ("set_registered_model_tag", 2),  # its being carried out
        ("set_model_version_tag", 1),
    ],
)
def test_another_promotion_in_the_middle_of_one(
    name: str, nth: int, client: MlflowClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    promotion.promote("1")
    real, calls, outcomes = getattr(MlflowClient, name), [0], []

    def interleaved(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == nth:
            outcomes.append(promotion.promote("3"))
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, name, interleaved)
        outcomes.append(promotion.promote("2"))
    consistent(client)
    won = champion(client)
    assert won in {"2", "3"}
    # Who came last won, and who lost against the other knows it.
    assert [outcome.champion for outcome in outcomes if outcome.reached][-1] == won
    assert "by hand" not in capsys.readouterr().err


def test_an_alias_that_somebody_moved_is_taken_into_the_ledger(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    promotion.promote("1")
    promotion.promote("2")
    client.set_registered_model_alias("tiny", "champion", "4")
    hour = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    monkeypatch.setattr(ledger, "now", lambda: hour)
    monkeypatch.setattr(state, "LATE", -1.0)
    assert promotion.rollback(None).champion == "2"
    assert "moved to version 4 by hand" in capsys.readouterr().err
    assert [entry.action for entry in state.look(client, "tiny").entries][-2:] == ["found", "rollback"]
    consistent(client)


def test_right_after_a_promotion_an_alias_elsewhere_is_a_slow_process_and_set_right(
    client: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    promotion.promote("1")
    promotion.promote("2")
    client.set_registered_model_alias("tiny", "champion", "1")
    assert history.history()[0]["version"] == "2"
    assert "the next operation settles it" in capsys.readouterr().err
    assert promotion.promote("2").reached
    assert "pointed to version 1: set right" in capsys.readouterr().err
    assert champion(client) == "2"


def test_a_registry_that_had_a_champion_before(client: MlflowClient) -> None:
    client.set_registered_model_alias("tiny", "champion", "3")
    promotion.promote("4")
    assert promotion.rollback(None).champion == "3"
    consistent(client)


def test_a_version_that_is_not_there(client: MlflowClient, project: Path) -> None:
    with pytest.raises(Mistaken, match="no version 9 of tiny: it has 1, 2, 3, 4, 5"):
        promotion.promote("9")
    with pytest.raises(Mistaken, match="no version champion of tiny"):
        promotion.promote("champion")
    client.delete_registered_model("tiny")
    with pytest.raises(Mistaken, match="has no model tiny: run `dvc repro register`"):
        promotion.rollback(None)


def test_looking_makes_no_store(project: Path) -> None:
    store = project / "mlflow.db"
    store.unlink(missing_ok=True)
    for look in (history.history, lambda: promotion.rollback(None)):
        with pytest.raises(Mistaken, match="has no model tiny: run `dvc repro register`"):
            look()
    assert not store.exists()


@pytest.mark.parametrize(
    ("actions", "left"),
    [
        ([("promote", "1"), ("promote", "2")], ["1", "2"]),
        ([("promote", "1"), ("promote", "2"), ("rollback", "1"), ("promote", "3")], ["1", "3"]),
        ([("promote", "1"), ("promote", "2"), ("promote", "3"), ("rollback", "1")], ["1"]),
        ([("promote", "1"), ("promote", "2"), ("found", "1")], ["1"]),
        ([("promote", "1"), ("found", None), ("promote", "1")], ["1"]),
        ([("promote", "1"), ("promote", "2"), ("promote", "1")], ["1", "2", "1"]),
    ],
)
def test_what_a_rollback_returns_to(actions: list[tuple[Any, str | None]], left: list[str]) -> None:
    entries: list[ledger.Entry] = []
    for action, version in actions:
        entries.append(ledger.following(entries, action, version))
    assert ledger.stack(entries) == left


def test_entries_survive_the_way_through_tags_and_strangers_do_not_matter() -> None:
    first = ledger.following([], "promote", "1", by="ada", run_id="r", semantic_version="1.0.0")
    second = ledger.following([first], "found", None)
    tags = dict([ledger.written(second), ledger.written(first)])
    tags |= {first.key + ledger.DONE: "2026-01-01T00:00:00.000Z", "ledger.x": "y", "ledger.000003.z": "{}", "a": "b"}
    assert ledger.read(tags) == [first._replace(done="2026-01-01T00:00:00.000Z"), second]
