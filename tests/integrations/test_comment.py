"""`mlopsgen comment`: found again, replaced, cut, and never in the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopsgen.cli import comment as module
from mlopsgen.cli.main import run
from mlopsgen.review.comment import LIMIT, comment, marked

from .github import Comments, api, event

MARK = "<!-- mlopsgen: plan -->"


@pytest.fixture
def github() -> Iterator[Comments]:
    with api() as comments:
        yield comments


@pytest.fixture
def say(
    github: Comments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs the command on a text, in a workflow of a pull request."""
    place = tmp_path / "event.json"
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(place))
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/shop")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_RUN_ID", "5")
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)

    def ask(text: str, *arguments: str, token: str = "writer", happened: Any = None) -> tuple[int, str]:
        monkeypatch.setenv("GITHUB_TOKEN", token)
        place.write_text(json.dumps(event() if happened is None else happened))
        (tmp_path / "plan.md").write_text(text)
        code = run(["comment", str(tmp_path / "plan.md"), *arguments])
        told = capsys.readouterr()
        assert "writer" not in told.out + told.err
        return code, told.out + told.err

    return ask


def test_one_comment_is_put_and_then_replaced(github: Comments, say: Any) -> None:
    github.add("looks good to me", "someone")
    assert say("first\n") == (0, "comment put\n")
    assert say("second\n") == (0, "comment replaced\n")
    assert say("second\n") == (0, "the comment says so already\n")
    assert github.bodies == ["looks good to me", f"{MARK}\nsecond\n"]
    assert [method for method, _ in github.calls] == ["GET", "POST", "GET", "PATCH", "GET"]


def test_another_name_is_another_comment(github: Comments, say: Any) -> None:
    say("one")
    say("two", "--name", "other")
    say("one again")
    assert github.bodies == [f"{MARK}\none again\n", "<!-- mlopsgen: other -->\ntwo\n"]


def test_ours_is_found_behind_many(github: Comments, say: Any) -> None:
    for number in range(230):
        github.add(f"{number}")
    github.add(f"{MARK}\nold")
    assert say("new") == (0, "comment replaced\n")
    assert len(github.rows) == 231


def test_another_s_comment_with_our_mark_is_let_be(github: Comments, say: Any) -> None:
    github.add(f"{MARK}\nnot ours", "someone")
    assert say("ours") == (0, "comment put\n")
    assert say("ours, later") == (0, "comment replaced\n")
    assert github.bodies == [f"{MARK}\nnot ours", f"{MARK}\nours, later\n"]


def test_a_fork_s_token_may_not_comment_and_that_is_no_failure(github: Comments, say: Any) -> None:
    code, told = say("plan", token="reader", happened=event(fork=True))
    assert (code, github.bodies) == (0, [])
    assert "see the summary of the run" in told
    assert "W323" not in told


@pytest.mark.parametrize(("token", "why"), [("reader", "HTTP 403"), ("expired", "HTTP 401: Bad credentials")])
def test_a_right_that_is_missing_is_said(github: Comments, say: Any, token: str, why: str) -> None:
    code, told = say("plan", "--format", "github", token=token)
    assert code == 0
    assert told.startswith("::warning title=W323::the pull request got no comment: " + why)
    assert "pull-requests: write" in told


def test_no_pull_request_and_no_token(github: Comments, say: Any) -> None:
    assert say("plan", happened={"ref": "refs/heads/main"})[1] == "no pull request: nothing to comment on\n"
    assert say("plan", token="")[1] == "no GITHUB_TOKEN: nothing is put on the pull request\n"
    assert github.calls == []


def test_a_deleted_fork_is_a_fork(say: Any) -> None:
    happened = event()
    happened["pull_request"]["head"]["repo"] = None
    assert "see the summary" in say("plan", token="reader", happened=happened)[1]


@pytest.mark.parametrize("happened", [[], {"pull_request": {}}, {"pull_request": {"number": "x", "head": {}}}, 3])
def test_an_event_that_makes_no_sense(say: Any, happened: Any) -> None:
    code, told = say("plan", happened=happened)
    assert code == (0 if happened == [] else 2)
    assert happened == [] or "E327" in told


def test_github_is_asked_again_when_it_stumbles(github: Comments, say: Any) -> None:
    github.failures = [502, 503]
    assert say("plan") == (0, "comment put\n")
    github.failures = [502] * 3
    code, told = say("plan, later")
    assert (code, "W323" in told, "HTTP 502" in told) == (0, True, True)
    assert github.bodies == [f"{MARK}\nplan\n"]


def test_no_second_comment_when_the_answer_got_lost(
    github: Comments, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = module._Api._ask

    def lost(self: Any, request: Any) -> Any:
        done = asked(self, request)
        if request.method == "POST":
            raise module.Refused(0, "no answer of GitHub")
        return done

    monkeypatch.setattr(module._Api, "_ask", lost)
    code, told = say("plan")
    assert (code, "W323" in told, len(github.rows)) == (0, True, 1)


def test_a_long_plan_is_cut_and_says_where_the_rest_is(github: Comments, say: Any) -> None:
    text = "".join(f"| row {number} | ümlaut |\n" for number in range(20_000))
    assert say(text) == (0, "comment put\n")
    [body] = github.bodies
    assert LIMIT * 0.9 < len(body.encode()) <= LIMIT
    *rows, last = body.rstrip().split("\n")
    assert last.startswith("… and ")
    assert "https://github.com/acme/shop/actions/runs/5" in last
    left = int(last.split()[2])
    assert left + len([row for row in rows if row.startswith("| row")]) == 20_000


@given(st.text(), st.integers(200, 2000), st.sampled_from(["", "https://example.org/runs/1"]))
def test_a_comment_begins_with_its_mark_and_fits(text: str, limit: int, whole: str) -> None:
    made = comment(text, "plan", whole, limit)
    assert made.startswith(marked("plan"))
    assert len(made.encode(errors="surrogatepass")) <= limit
