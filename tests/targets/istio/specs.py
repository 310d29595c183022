"""Specs for the targets that route requests, and the objects that come out of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from mlopsgen.project.model import Project
from mlopsgen.project.resolve import resolve
from mlopsgen.render.engine import render
from mlopsgen.render.files import File
from mlopsgen.spec.load import parse
from tests.conftest import FULL
from tests.targets.github.specs import smallest

Object = dict[str, Any]

ODD = """it's "1": $2 $(x) {{3}} #4 %5% \\6"""
"""A header's value that would break out of a careless template."""

QUOTED = "'" + ODD.replace("'", "''") + "'"
"""The same as a spec writes it."""

LIVE = "environments: {live: {namespace: ml, url: 'https://API.acme.dev:8443/v1'}}"
TESTERS = f"testers: {{header: User-Group, value: {QUOTED}}}"
STICKY = "sticky: {header: X-User-Id}"


def spec(engine: str, *rollout: str, more: tuple[str, ...] = ()) -> str:
    """A spec with one environment `live`, whose canary goes through an engine.

    Args:
        engine: `rollout.engine`.
        rollout: more of section `rollout`, each as flow YAML.
        more: more sections.
    """
    inside = ", ".join((f"engine: {engine}", "gateway: ingress/public", *rollout))
    sections = (LIVE, *more) if not any(each.startswith("environments") for each in more) else more
    return smallest(f"rollout: {{{inside}}}", *sections)


def full(engine: str) -> str:
    """The full example with another engine, without stickiness where it cannot be kept."""
    text = FULL.read_text(encoding="utf-8").replace("engine: istio", f"engine: {engine}")
    if engine == "gateway-api":
        return "\n".join(_without(text.splitlines(), ("  sticky:", "experiment:")))
    return text


def _without(lines: list[str], heads: tuple[str, ...]) -> Iterable[str]:
    """Lines without blocks that begin with one of the heads."""
    skipped = None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if skipped is not None and line.strip() and indent <= skipped:
            skipped = None
        if skipped is None and line.startswith(heads):
            skipped = indent
        if skipped is None:
            yield line


def project(text: str) -> Project:
    """The resolved project of a spec."""
    return resolve(parse(text, "mlops.yaml")).project


def objects(files: Iterable[File], environment: str = "live") -> list[Object]:
    """Objects of an environment."""
    return [
        found
        for file in files
        if file.path.startswith(f"deploy/{environment}/")
        for found in yaml.safe_load_all(render(file).content)
    ]


def one(found: Iterable[Object], kind: str, name: str | None = None) -> Object:
    """The only object of a kind, or the one with a name."""
    [chosen] = [each for each in found if each["kind"] == kind and name in (None, each["metadata"]["name"])]
    return chosen
