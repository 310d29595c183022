"""Starting, watching and ending, with stand-ins for the processes."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from mlopsgen.processes.errors import Refused
from mlopsgen.processes.run import supported
from tests.processes.project import BASE, Project, until

Make = Callable[..., Project]

TWO: list[tuple[str, dict[str, Any]]] = [("store", {}), ("server", {"after": ["store"], "options": ["parent"]})]


def test_all_start_in_order_and_one_signal_ends_them_in_reverse(project: Make) -> None:
    given = project(*TWO)
    run = given.up()
    given.says("everything runs that can")
    text = given.output.read_text(encoding="utf-8")
    order = [line.split()[:2] for line in text.splitlines() if line.startswith(("store", "server"))]
    assert order == [
        ["store", "starting"],
        ["server", "waiting"],
        ["store", "ready"],
        ["server", "starting"],
        ["server", "ready"],
    ]
    assert sum("server.py" in each and "sh -c" not in each for each in given.marked().values()) >= 2
    run.send_signal(signal.SIGINT)
    assert run.wait(20) == 130
    given.alone(0.5)
    ended = [line.split()[:2] for line in given.output.read_text(encoding="utf-8")[len(text) :].splitlines()]
    assert ended == [["server", "stopping"], ["server", "stopped"], ["store", "stopping"], ["store", "stopped"]]


def test_a_second_signal_kills_at_once(project: Make) -> None:
    given = project(("stubborn", {"options": ["stubborn"], "grace": 60}))
    run = given.up()
    given.says("everything runs")
    run.send_signal(signal.SIGINT)
    given.says("^stubborn +stopping")
    time.sleep(0.3)
    assert run.poll() is None
    start = time.monotonic()
    run.send_signal(signal.SIGINT)
    assert run.wait(20) == 130
    assert time.monotonic() - start < 5
    given.alone(0.5)


def test_what_does_not_end_is_killed_after_its_grace(project: Make) -> None:
    given = project(("stubborn", {"options": ["stubborn", "parent"], "grace": 1}))
    run = given.up()
    given.says("everything runs")
    start = time.monotonic()
    run.terminate()
    assert run.wait(20) == 143
    assert 1 <= time.monotonic() - start < 8
    given.alone(0.5)


MOMENTS = [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 23))]


@pytest.mark.parametrize("seed", MOMENTS)
def test_a_signal_at_any_moment_leaves_nothing(project: Make, seed: int) -> None:
    given = project(*TWO, ("dying", {"options": ["dies"]}))
    run = given.up()
    time.sleep(random.Random(seed).uniform(0.05, 2.5))
    run.send_signal(signal.SIGINT)
    assert run.wait(20) in (130, -signal.SIGINT)
    given.alone(1)


def test_a_killed_supervisor_takes_everything_with_it(project: Make) -> None:
    given = project(*TWO, ("stubborn", {"options": ["stubborn"], "grace": 1}))
    run = given.up()
    given.says("everything runs")
    assert len(given.marked()) >= 8
    run.kill()
    run.wait(10)
    given.alone(10)


def test_a_killed_guardian_leaves_nothing_and_its_process_comes_back(project: Make) -> None:
    given = project(("server", {"options": ["parent"]}))
    run = given.up()
    given.says("everything runs")
    before = given.marked()
    [guardian] = [pid for pid, text in before.items() if "guardian.py" in text]
    os.kill(guardian, signal.SIGKILL)
    given.says("ended by SIGKILL; again in")
    until(lambda: given.process("server")["state"] == "ready", "it is ready again")
    old = [pid for pid, text in before.items() if "mlopsgen" not in text]
    until(lambda: not given.marked().keys() & set(old), "nothing of the first one lives")
    run.terminate()
    run.wait(20)


def test_leftovers_of_supervisor_and_guardian_are_ended_by_down(project: Make) -> None:
    given = project(*TWO)
    run = given.up()
    given.says("everything runs")
    for pid, text in given.marked().items():
        if "guardian.py" in text or "mlopsgen up" in text:
            os.kill(pid, signal.SIGSTOP)
    for pid, text in given.marked().items():
        if "guardian.py" in text or "mlopsgen up" in text:
            os.kill(pid, signal.SIGKILL)
    run.wait(10)
    until(
        lambda: not any("server.py" in text for text in given.marked().values()), "processes die with their guardians"
    )
    assert given.marked(), "what they had started lives on"
    done = given.run("down")
    assert done.returncode == 0
    assert "that an earlier run had left behind" in done.stdout
    given.alone(0.5)


def test_a_process_that_is_not_the_one_written_down_is_left_alone(project: Make) -> None:
    given = project(*TWO)
    other = subprocess.Popen(["sleep", "60"])
    try:
        record = '{"pid": 1, "page": "http://127.0.0.1:1", "mark": "nobody", "processes": [{"name": "server", "pid": %d, "identity": ["1", "sleep"]}]}'
        (given.folder / ".mlops/run").mkdir(parents=True)
        (given.folder / ".mlops/run/pids.json").write_text(record % other.pid, encoding="utf-8")
        done = given.run("down")
        assert (done.returncode, done.stdout) == (0, "nothing runs here\n")
        assert other.poll() is None
    finally:
        other.kill()
        other.wait(10)


def test_a_process_that_dies_is_started_again(project: Make) -> None:
    given = project(("server", {"options": ["dies-once"]}))
    run = given.up()
    given.says("^server +restarting +ended with exit code 7; again in 0.05 s; see .mlops/logs/server.log")
    given.says("everything runs that can")
    assert given.process("server")["restarts"] == 1
    run.terminate()
    run.wait(20)


def test_a_process_that_keeps_dying_is_given_up_and_the_rest_stays(project: Make) -> None:
    given = project(("broken", {"options": ["dies"], "restarts": 2}), ("server", {}), ("after", {"after": ["broken"]}))
    run = given.up()
    given.says("^broken +failed +ended with exit code 1, 3 times in a row; see .mlops/logs/broken.log")
    given.says("a reason to die")
    given.says("not everything runs: see above")
    assert {each["name"]: each["state"] for each in given.status()["processes"]} == {
        "broken": "failed",
        "server": "ready",
        "after": "waiting",
    }
    done = given.run("status")
    assert done.returncode == 1
    assert "waiting    for broken" in done.stdout
    run.terminate()
    run.wait(20)


def test_a_process_that_never_becomes_ready_is_started_again(project: Make) -> None:
    given = project(("mute", {"options": ["mute"], "within": 1, "restarts": 1}))
    run = given.up()
    given.says("^mute +failed +not ready within 1 s, 2 times in a row")
    run.terminate()
    run.wait(20)


@pytest.mark.parametrize(("code", "state"), [(0, "stopped"), (3, "failed")])
def test_a_process_that_runs_once(project: Make, code: int, state: str) -> None:
    once = {"command": ["sh", "-c", f"echo ran; exit {code}"], "ready": None, "restart": False}
    given = project(("once", once), ("server", {}))
    run = given.up()
    given.says(f"^once +{state} +ended with exit code {code}")
    until(lambda: given.process("server")["state"] == "ready", "the rest runs")
    assert given.process("once")["tail"] == ["ran"]
    run.terminate()
    assert run.wait(20) == 143


def test_up_twice(project: Make) -> None:
    given = project(("server", {}))
    run = given.up()
    given.says("everything runs")
    done = given.run("up")
    assert done.returncode == 2
    assert f"it runs already as process {run.pid}: {given.status()['page']}" in done.stderr
    assert given.process("server")["state"] == "ready"
    assert given.run("down").stdout.endswith("everything has ended\n")
    assert run.wait(10) == 143


def test_detached(project: Make) -> None:
    given = project(("server", {}))
    done = given.run("up", "--detach", "--port-offset", "auto")
    assert done.returncode == 0, done.stderr
    assert "export" not in done.stderr
    assert "everything runs that can" in done.stdout
    assert given.run("status").returncode == 0
    assert given.run("down").returncode == 0
    given.alone(1)
    done = given.run("status", "--format", "json")
    assert (done.returncode, done.stdout) == (1, '{"running": false}\n')


def test_detached_with_a_process_that_fails(project: Make) -> None:
    given = project(("broken", {"options": ["dies"], "restarts": 0}), ("server", {}))
    done = given.run("up", "--detach", "--port-offset", "auto")
    assert done.returncode == 1
    assert "ended with exit code 1, at once" in done.stdout
    assert given.run("down").returncode == 0


def test_a_taken_port_is_named_before_anything_starts(project: Make) -> None:
    given = project(("server", {}))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = given.run("up", "--port-offset", str(port - BASE - 1))
    assert done.returncode == 2
    assert f"port {port} is taken, and server needs it: held by process {os.getpid()}, `" in done.stderr
    assert "mlopsgen up --port-offset auto" in done.stderr
    assert not (given.folder / ".mlops/logs").exists()


def test_two_that_start_at_once_take_different_ports(project: Make) -> None:
    both = [project(("server", {})), project(("server", {}))]
    runs = [each.up() for each in both]
    for each in both:
        each.says("everything runs that can")
    assert len({each.process("server")["ports"]["server"] for each in both}) == 2
    for run in runs:
        run.terminate()
    assert [run.wait(20) for run in runs] == [143, 143]


def test_what_is_missing_is_named_before_anything_starts(project: Make) -> None:
    given = project(
        ("server", {"command": ["no-such-program"], "install": "apt install it"}),
        ("other", {"environment": {"TOKEN": "${NO_SUCH_TOKEN}"}}),
    )
    done = given.run("up", "--port-offset", "auto")
    assert done.returncode == 2
    assert "server: the program no-such-program is not installed: apt install it" in done.stderr
    assert "other: set NO_SUCH_TOKEN in the environment" in done.stderr
    assert not (given.folder / ".mlops/logs").exists()
    (given.folder / "local/processes.yaml").unlink()
    done = given.run("up")
    assert done.returncode == 2
    assert "run `mlopsgen build` first" in done.stderr


@pytest.mark.parametrize(
    "text", ["", "ports: 3", "[", "project: x\nports: {page: 1}\nprocesses: [{name: x, command: [x], after: [y]}]"]
)
def test_a_plan_that_is_none(project: Make, text: str) -> None:
    given = project(("server", {}))
    (given.folder / "local/processes.yaml").write_text(text, encoding="utf-8")
    done = given.run("up")
    assert done.returncode == 2
    assert "is not what `mlopsgen build` writes" in done.stderr


def test_secrets_reach_processes_and_no_file_but_their_own(project: Make) -> None:
    given = project(
        ("server", {"environment": {"MLOPS_MODEL_URI": "${SECRET}"}}), tokens={"SECRET": ".mlops/run/secret"}
    )
    run = given.up()
    given.says("everything runs")
    secret = (given.folder / ".mlops/run/secret").read_text(encoding="utf-8")
    assert len(secret) > 30
    assert (given.folder / ".mlops/run/secret").stat().st_mode & 0o077 == 0
    assert f"begins {secret}" in given.process("server")["tail"]
    run.terminate()
    run.wait(20)
    run = given.up()
    until(
        lambda: (given.folder / ".mlops/run/secret").read_text(encoding="utf-8") != secret, "the next run has its own"
    )
    run.terminate()
    run.wait(20)


def test_the_load_runs_only_when_asked_for(project: Make) -> None:
    load = {"command": ["sh", "-c", "echo rate ${rate}; sleep 60"], "on_demand": True, "ready": None, "grace": 1}
    given = project(("server", {}), ("load", load))
    run = given.up("--load", "2.5")
    given.says("everything runs")
    until(lambda: "rate 2.5" in given.process("load")["tail"], "it has its rate")
    run.terminate()
    run.wait(20)
    run = given.up()
    given.says("everything runs(.|\n)*everything runs")
    assert [each["name"] for each in given.status()["processes"]] == ["server"]
    run.terminate()
    run.wait(20)


def test_a_hangup_ends_it_unless_it_was_to_survive_that(project: Make) -> None:
    given = project(("server", {}))
    run = given.up(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    given.says("everything runs")
    run.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert given.process("server")["state"] == "ready"
    run.terminate()
    assert run.wait(20) == 143
    run = given.up(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    given.says("everything runs(.|\n)*everything runs")
    run.send_signal(signal.SIGHUP)
    assert run.wait(20) == 129


def test_state_stays_out_of_git(project: Make) -> None:
    given = project(("server", {}))
    subprocess.run(["git", "init", "--quiet"], cwd=given.folder, check=True)
    assert given.run("up", "--detach", "--port-offset", "auto").returncode == 0
    listed = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=given.folder, capture_output=True, text=True, check=True
    )
    assert "local/processes.yaml" in listed.stdout
    assert ".mlops" not in listed.stdout
    assert given.run("down").returncode == 0


def test_down_hits_nobody_else_while_something_starts(project: Make) -> None:
    given = project(("server", {}))
    other = subprocess.Popen(["sleep", "60"])
    try:
        run = given.folder / ".mlops/run"
        run.mkdir(parents=True)
        (run / "pids.json").write_text(
            f'{{"pid": {other.pid}, "page": "", "identity": ["1", "mlopsgen up"]}}', encoding="utf-8"
        )
        with (run / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = given.run("down")
            assert done.returncode == 2
            assert "has not said yet what it is" in done.stderr
            assert given.run("up").stderr.startswith("Error: it runs already\n")
            done = given.run("status")
            assert (done.returncode, done.stdout) == (1, "it is just starting or ending: ask again\n")
        assert other.poll() is None
    finally:
        other.kill()
        other.wait(10)


def test_a_spec_that_is_wrong_is_said_and_what_was_built_runs(project: Make) -> None:
    given = project(("server", {}))
    (given.folder / "mlops.yaml").write_text("version: 9\n", encoding="utf-8")
    run = given.up()
    given.says("mlops.yaml has errors .*: what runs is what was built before")
    given.says("everything runs that can")
    run.terminate()
    assert run.wait(20) == 143


def test_an_offset_that_is_none(project: Make) -> None:
    given = project(("server", {}))
    for offset in ("-5", "x", "99999", "60000"):
        done = given.run("up", "--port-offset", offset)
        assert done.returncode == 2, offset
        assert "Traceback" not in done.stderr
        assert "--port-offset" in done.stderr


def test_other_systems_are_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(Refused, match="docker compose up"):
        supported()
