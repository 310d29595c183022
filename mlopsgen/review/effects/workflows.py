"""What changed GitHub workflows may do that they could not do before."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from mlopsgen.review import words
from mlopsgen.review.compare import same
from mlopsgen.review.documents import Files, changed
from mlopsgen.review.effects.effect import Effect
from mlopsgen.review.parts import mapping, mappings

FOLDER = "//.github/workflows/"
LEVELS = {"none": 0, "read": 1, "write": 2}
WHOLE = {"read-all": 1, "write-all": 2}
EVERYTHING = "everything"
IDENTITIES = ("role-to-assume", "service_account", "client-id")
"""Inputs by which the actions of AWS, Google Cloud and Azure sign in."""

_SECRET = re.compile(r"secrets\.([A-Za-z_][A-Za-z0-9_]*)")


def effects(base: Files, head: Files) -> Iterator[Effect]:
    """Grants that are new, and workflows that change otherwise."""
    others: list[str] = []
    comments: list[str] = []
    for key in changed(base, head):
        if not is_workflow(key):
            continue
        old, new = base.document(key), head.document(key)
        wider = sorted(_grants(new) - _grants(old)) if isinstance(new, dict) else []
        if wider:
            text = f"{key.rpartition('/')[2]}: {words.some([_told(*grant) for grant in wider], 3)}"
            facts = {"grants": [list(grant) for grant in wider]}
            yield Effect("permissions", "", text, len(wider), facts, (key.removeprefix("//"),))
        elif old is not None and new is not None and same(old, new):
            comments.append(key.removeprefix("//"))
        else:
            others.append(key.removeprefix("//"))
    for kind, keys, text in (("configuration", others, "steps"), ("metadata", comments, "comments")):
        if keys:
            names = words.some([key.rpartition("/")[2] for key in keys])
            yield Effect(kind, "", f"{text} of workflows change: {names}", len(keys), {}, tuple(keys))


def is_workflow(key: str) -> bool:
    """Whether a file is a workflow of GitHub."""
    return key.removeprefix("//").startswith(FOLDER.removeprefix("//"))


def _grants(workflow: Any) -> set[tuple[str, str, str]]:
    """Job, scope and level of everything that jobs may do, a level with all below it; identities, secrets."""
    found: set[tuple[str, str, str]] = set()
    workflow = mapping(workflow)
    shared = set(_SECRET.findall(json.dumps({k: v for k, v in workflow.items() if k != "jobs"}, default=str)))
    for name, given_job in mapping(workflow.get("jobs")).items():
        job = mapping(given_job)
        given = job.get("permissions", workflow.get("permissions", {}))
        scopes = {EVERYTHING: WHOLE[given]} if isinstance(given, str) and given in WHOLE else {}
        if isinstance(given, dict):
            scopes = {scope: LEVELS.get(str(level), 0) for scope, level in given.items()}
        for scope, level in scopes.items():
            found |= {(name, scope, word) for word, rank in LEVELS.items() if 0 < rank <= level}
        given_to = [mapping(step.get("with")) for step in mappings(job.get("steps"))]
        found |= {(name, "identity", str(values[key])) for values in given_to for key in IDENTITIES if key in values}
        secrets = shared | set(_SECRET.findall(json.dumps(job, default=str)))
        if job.get("secrets") == "inherit":
            secrets.add("(all)")
        found |= {(name, "secret", secret) for secret in secrets if secret != "GITHUB_TOKEN"}  # noqa: S105
    return found


def _told(job: str, scope: str, level: str) -> str:
    if scope == "identity":
        return f"job {job} signs in as {level}"
    return f"job {job} reads the secret {level}" if scope == "secret" else f"job {job} may {level} {scope}"
