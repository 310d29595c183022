"""Plans of a corpus of edits: as an independent check counts them, and as they always were."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from mlopsgen.review.effects import CLASSES, effects, totals
from tests.review import corpus, independent

CASES = [*corpus.EDITS, *corpus.REVERSED.values()]
SLOW = corpus.EDITS.keys() & corpus.RESEMBLING
COUNTED: dict[str, dict[str, int]] = {}


def test_the_corpus_is_as_large_as_it_must_be() -> None:
    assert len(CASES) - len(SLOW) >= 40
    sections = {name.partition(".")[0] for name in corpus.EDITS.keys() - SLOW}
    fields = set(corpus.example().source.tree.value) - {"version", "x-cost-centre", "templates"} | {"patches"}
    assert fields <= sections
    golden = Path(__file__).with_name("__snapshots__") / "test_corpus.ambr"
    assert set(re.findall(r"(?m)^# name: test_classes\w+\[(.*)\]$", golden.read_text())) == set(CASES)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in CASES]
)
def test_classes_and_counts_are_those_of_an_independent_check(name: str, snapshot: SnapshotAssertion) -> None:
    edit = next((edit for edit, other in corpus.REVERSED.items() if other == name), name)
    base, head = corpus.example(), corpus.edited(corpus.EDITS[edit])
    if edit != name:
        base, head = head, base
    kept = base.kept | head.kept
    counted = totals(effects(base.files, head.files, kept))
    assert counted == independent.counts(base.files.content, head.files.content, set(kept))
    assert snapshot == " ".join(f"{kind}={number}" for kind, number in counted.items())
    COUNTED[name] = counted


ENGINES: dict[str, corpus.Changes] = {
    "nginx": {"rollout": {"engine": "nginx"}},
    "argo-rollouts": {"rollout": {"engine": "argo-rollouts"}},
    "gateway-api": {"rollout": {"engine": "gateway-api", "sticky": None}, "experiment": None},
    "hpa": {"serving": {"replicas": {"autoscaler": "hpa"}}},
}
LONGER: corpus.Changes = {"serving": {"timeout": "1m"}}


@pytest.mark.parametrize("engine", ENGINES)
def test_pods_are_found_whatever_runs_them(engine: str, snapshot: SnapshotAssertion) -> None:
    base = corpus.edited(ENGINES[engine])
    head = corpus.edited(corpus.changed(ENGINES[engine], LONGER))
    kept = base.kept | head.kept
    found = effects(base.files, head.files, kept)
    assert totals(found) == independent.counts(base.files.content, head.files.content, set(kept))
    assert snapshot == [effect.text for effect in found if effect.kind in ("restart", "traffic")]


def test_the_corpus_reaches_every_class() -> None:
    if len(COUNTED) < len(CASES) - len(SLOW):
        pytest.skip("needs all edits")
    assert {kind for counted in COUNTED.values() for kind in counted} == set(CLASSES) - {"nothing"}
    assert not all(COUNTED.values())
