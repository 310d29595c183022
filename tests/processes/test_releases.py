"""Which version each server runs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.processes.project import BASE, Project, until

pytestmark = pytest.mark.slow

Make = Callable[..., Project]
ALIAS = '{"model_version": {"name": "m", "version": "3"}}'
RELEASES = ".mlops/servers.json"


def served(project: Make) -> Project:
    """A registry and two servers."""
    server: dict[str, Any] = {"after": ["registry"], "environment": {"MLOPS_MODEL_URI": "models:/m/${version}"}}
    return project(
        ("registry", {}),
        ("champion", {**server, "release": "champion"}),
        ("canary", {**server, "release": "canary"}),
        ("watcher", {"after": ["champion"]}),
        releases={
            "file": RELEASES,
            "servers": ["champion", "canary"],
            "registry": "registry",
            "champion": f"http://127.0.0.1:{BASE + 1}/alias?name=m&alias=champion",
            "help": "train one",
        },
    )


def release(given: Project, **versions: str | None) -> None:
    """Write the file as the rollout's controller does."""
    path = given.folder / RELEASES
    path.parent.mkdir(exist_ok=True)
    content = {name: None if version is None else {"version": version} for name, version in versions.items()}
    path.with_suffix(".new").write_text(json.dumps(content), encoding="utf-8")
    os.replace(path.with_suffix(".new"), path)


def model(given: Project, name: str) -> str | None:
    """What a server says that it serves; None while it does not."""
    each = given.process(name)
    if each["state"] != "ready":
        return None
    try:
        with urlopen(f"http://127.0.0.1:{each['ports'][name]}/model", timeout=5) as answer:
            found: str = answer.read().decode()
            return found
    except OSError:
        return None


def ended(given: Project) -> None:
    given.runs[-1].send_signal(signal.SIGINT)
    assert given.runs[-1].wait(20) == 130


def test_without_a_champion_the_server_waits_and_the_status_says_what_to_do(project: Make) -> None:
    given = served(project)
    given.up()
    given.says("everything runs that can")
    assert given.process("champion")["text"] == "no champion in the registry yet: train one"
    assert given.process("watcher")["state"] == "waiting"
    assert not (given.folder / RELEASES).exists()
    (given.folder / "alias.json").write_text(ALIAS, encoding="utf-8")
    until(lambda: model(given, "champion") == "models:/m/3", "the champion came up by itself")
    until(lambda: given.process("watcher")["state"] == "ready", "what waited for it as well")
    assert json.loads((given.folder / RELEASES).read_text(encoding="utf-8")) == {
        "champion": {"version": "3"},
        "canary": None,
    }
    assert given.process("canary")["state"] == "off"
    ended(given)


def test_a_release_restarts_just_that_server(project: Make) -> None:
    given = served(project)
    release(given, champion="3")
    given.up()
    given.says("everything runs that can")
    assert model(given, "champion") == "models:/m/3"
    before = {each["name"]: each["pid"] for each in given.status()["processes"]}
    release(given, champion="3", canary="4")
    until(lambda: model(given, "canary") == "models:/m/4", "the canary runs")
    release(given, champion="3", canary="5")
    until(lambda: model(given, "canary") == "models:/m/5", "the canary runs another version")
    assert given.said("^canary +stopping +for version 5")
    release(given, champion="5", canary="5")
    until(lambda: model(given, "champion") == "models:/m/5", "the champion runs the version of the canary")
    release(given, champion="5")
    until(lambda: given.process("canary")["state"] == "off", "the canary is gone")
    after = {each["name"]: each["pid"] for each in given.status()["processes"]}
    assert [after[name] == before[name] for name in ("registry", "watcher", "champion")] == [True, True, False]
    assert [given.process(name)["restarts"] for name in ("champion", "canary")] == [0, 0]
    ended(given)


def test_a_file_that_cannot_be_read_changes_nothing(project: Make) -> None:
    given = served(project)
    release(given, champion="3")
    given.up()
    given.says("everything runs that can")
    pid = given.process("champion")["pid"]
    for text in ("{", "[]", '{"champion": 3}', '{"champion": {}}'):
        (given.folder / RELEASES).write_text(text, encoding="utf-8")
        until(lambda: "cannot be read" in given.process("canary")["text"], "it is said")
        assert given.process("champion")["pid"] == pid
        release(given, champion="3")
        until(lambda: "cannot be read" not in given.process("canary")["text"], "it is read again")
    ended(given)


def test_a_version_that_does_not_start_is_given_up_until_another_is_released(project: Make, tmp_path: Path) -> None:
    given = served(project)
    plan = given.folder / "local/processes.yaml"
    text = plan.read_text(encoding="utf-8").replace("exec ", 'test "$MLOPS_MODEL_URI" != models:/m/9 || exit 4; exec ')
    plan.write_text(text, encoding="utf-8")
    release(given, champion="3", canary="9")
    given.up()
    given.says("^canary +failed +ended with exit code 4, 6 times in a row")
    release(given, champion="3", canary="4")
    until(lambda: model(given, "canary") == "models:/m/4", "the next one runs")
    ended(given)
