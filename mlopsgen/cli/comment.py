"""`mlopsgen comment`."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from typing import Any, NamedTuple, TextIO

import click

from mlopsgen.cli import words
from mlopsgen.diagnostics import Failed, diagnose

PAGE = 100
PAGES = 50
"""Comments that are looked through for ours: more than that nobody reads either."""
LARGEST = 8 * 1024 * 1024
"""Bytes of an answer, and of the event, that are read."""
TRIES = 3


class Refused(Exception):
    """GitHub did not do it. `status` is 0 where it gave no answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}" if status else message)
        self.status = status


class Pull(NamedTuple):
    """A pull request."""

    repository: str
    number: int
    fork: bool


@click.command()
@click.argument("file", type=click.File(encoding="utf-8"), default="-")
@click.option("--name", default="plan", show_default=True, help="Tells several comments apart.")
@words.formats("text", "github", "json")
def command(file: TextIO, name: str, form: str) -> int:
    """Put Markdown, from FILE or from standard input, on the pull request that this workflow runs for.

    The comment of the last run is replaced. What is too long for a comment is cut. Where there is no pull request, or
    its token may not comment, as in one of a fork, nothing is put there, and that is no failure. Reads what GitHub
    sets: GITHUB_EVENT_PATH, GITHUB_REPOSITORY, GITHUB_API_URL, GITHUB_SERVER_URL, GITHUB_RUN_ID, and GITHUB_TOKEN.

    \b
    Example:
      mlopsgen plan --base origin/main --format markdown | mlopsgen comment
    """
    from mlopsgen.review.comment import comment, marked

    text = file.read()
    try:
        pull = _pull()
    except Failed as failure:
        words.tell(failure.diagnostics, form)
        return 2
    token = os.environ.get("GITHUB_TOKEN", "")
    notes = []
    if pull is None:
        said = "no pull request: nothing to comment on"
    elif not token:
        said = "no GITHUB_TOKEN: nothing is put on the pull request"
    else:
        try:
            said = _put(_Api(token), pull, marked(name), comment(text, name, _whole()))
        except Refused as refused:
            denied = refused.status in (401, 403, 404)
            if pull.fork and denied:
                said = "a pull request of a fork, whose token may not comment: see the summary of the run"
            else:
                said = f"the pull request got no comment: {refused}"
                help = "give the job `permissions: {contents: read, pull-requests: write}`" if denied else ""
                notes.append(diagnose("W323", said, help=help))
    if form == "json":
        words.tell(notes, form, said=said)
    else:
        if not notes:
            click.echo(said)
        words.tell(notes, form)
    return 0


def _pull() -> Pull | None:
    """The pull request of the event; None for another event. Raises Failed with E327."""
    place = os.environ.get("GITHUB_EVENT_PATH", "")
    repository = os.environ.get("GITHUB_REPOSITORY", "")
    if not place or not repository:
        help = "run it in a workflow; elsewhere `mlopsgen plan` prints the same"
        raise Failed([diagnose("E327", "GITHUB_EVENT_PATH and GITHUB_REPOSITORY are not set", help=help)])
    try:
        with open(place, "rb") as stream:
            event = json.loads(stream.read(LARGEST))
        if "pull_request" not in event:
            return None
        head = (event["pull_request"]["head"] or {}).get("repo") or {}
        return Pull(repository, int(event["pull_request"]["number"]), head.get("full_name") != repository)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"the event in {place} cannot be read: {type(error).__name__}"
        raise Failed([diagnose("E327", message, help="GitHub writes it; see GITHUB_EVENT_PATH")]) from None


def _whole() -> str:
    server, repository, run = (os.environ.get(f"GITHUB_{n}", "") for n in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return f"{server}/{repository}/actions/runs/{run}" if server and run else ""


def _put(api: _Api, pull: Pull, mark: str, body: str) -> str:
    """Replace our comment, or make one. Raises Refused."""
    root = f"/repos/{pull.repository}/issues"
    for page in range(1, PAGES + 1):
        rows = api("GET", f"{root}/{pull.number}/comments?per_page={PAGE}&page={page}")
        for row in rows:
            if not str(row.get("body") or "").startswith(mark):
                continue
            if row["body"].replace("\r\n", "\n").rstrip() == body.rstrip():
                return "the comment says so already"
            try:
                api("PATCH", f"{root}/comments/{row['id']}", {"body": body})
            except Refused as refused:
                # Anyone may begin a comment with our mark; that of another account is not ours to change.
                if refused.status != 403:
                    raise
                continue
            return "comment replaced"
        if len(rows) < PAGE:
            break
    api("POST", f"{root}/{pull.number}/comments", {"body": body})
    return "comment put"


class _Api:
    """GitHub's REST API, https://docs.github.com/rest/issues/comments."""

    def __init__(self, token: str) -> None:
        self._root = os.environ.get("GITHUB_API_URL") or "https://api.github.com"
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "mlopsgen",
        }

    def __call__(self, method: str, path: str, content: Any = None) -> Any:
        """What it answers, as data. Raises Refused."""
        data = None if content is None else json.dumps(content).encode()
        for left in reversed(range(TRIES)):
            try:
                return self._ask(urllib.request.Request(self._root + path, data, self._headers, method=method))  # noqa: S310
            except Refused as refused:
                # A POST that got no answer may have been done: a second one would comment twice.
                again = refused.status in (429, 502, 503) or (refused.status == 0 and method != "POST")
                if not again or not left:
                    raise
                time.sleep(TRIES - left)
        raise AssertionError

    def _ask(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:  # noqa: S310
                return json.loads(reply.read(LARGEST))
        except urllib.error.HTTPError as error:
            raise Refused(error.code, _message(error)) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise Refused(0, f"no answer of GitHub: {reason}") from None


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(LARGEST))["message"])[:200]
    except (OSError, ValueError, KeyError, TypeError):
        return str(error.reason)
