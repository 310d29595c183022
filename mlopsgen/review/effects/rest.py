"""Files that no other module speaks of: documents, tests of rules, dashboards, images, what runs on one machine."""

from __future__ import annotations

from collections.abc import Iterator

from mlopsgen.review import words
from mlopsgen.review.compare import same
from mlopsgen.review.documents import Files, changed
from mlopsgen.review.effects import alerts, pipeline, workflows
from mlopsgen.review.effects.effect import Effect
from mlopsgen.review.effects.manifests import FOLDER

TEXTS = (".md",)
PROOFS = "_test.yaml"

GROUPS = (
    ("images", ("docker/", ".dockerignore"), "images are built otherwise, with the next release"),
    ("dashboards", ("monitoring/dashboards/", "monitoring/grafana/"), "dashboards show other things"),
    ("scraping", ("monitoring/prometheus.yaml",), "Prometheus scrapes otherwise"),
    ("local", ("local/", "compose.yaml"), "the stack on one machine changes"),
    ("deploy", (FOLDER,), "files beside the manifests change"),
    ("other", ("",), "other files change"),
)
"""Name, beginnings of paths, and what to say; the first that fits."""


def effects(base: Files, head: Files) -> Iterator[Effect]:
    """Effects of everything else, by group; documents, comments and tests are metadata."""
    texts: list[str] = []
    groups: dict[str, list[str]] = {}
    for key in changed(base, head):
        if _spoken_of(base, head, key):
            continue
        if key.endswith((*TEXTS, PROOFS)) or _comments(base, head, key):
            texts.append(key.removeprefix("//"))
        else:
            path = key.removeprefix("//")
            name = next(name for name, beginnings, _ in GROUPS if path.startswith(beginnings))
            groups.setdefault(name, []).append(path)
    for name, _, text in GROUPS:
        if name in groups:
            keys = groups[name]
            yield Effect("configuration", "", f"{text}: {words.some(keys)}", len(keys), {"group": name}, tuple(keys))
    if texts:
        text = f"{words.count(len(texts), 'document')}, comments or tests of rules: {words.some(texts, 3)}"
        yield Effect("metadata", "", text, len(texts), {}, tuple(texts))


def _spoken_of(base: Files, head: Files, key: str) -> bool:
    """Whether another module says what a changed file does."""
    if key in (pipeline.PIPELINE, pipeline.PARAMS, alerts.ROUTES) or workflows.is_workflow(key):
        return True
    if not key.startswith(FOLDER):
        return alerts.holds_rules(base, head, key)
    manifests = (".yaml", ".yml", ".conf", ".sh")
    if not key.endswith(manifests) or key.endswith("kustomization.yaml"):
        return False
    return not _comments(base, head, key)


def _comments(base: Files, head: Files, key: str) -> bool:
    """Whether a structured file says the same with other comments or layout."""
    old, new = base.objects(key), head.objects(key)
    structured = key.endswith((".yaml", ".yml", ".json"))
    return bool(structured and old and new and same(old, new))
