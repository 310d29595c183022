"""The generated tests notice when a rule is damaged: whatever is flipped, dropped or taken away, one of them fails."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from mlopsgen.project.model import Project
from mlopsgen.targets.prometheus import proofs, rules
from mlopsgen.targets.prometheus.rules import Group
from tests.targets.prometheus.specs import project, run

FLIPPED = {">=": "<", "<=": ">", ">": "<", "<": ">", "==": "!=", "!=": "=="}
KINDS = ("comparison", "label", "window", "for")


class Mutant(NamedTuple):
    """A damaged file of rules."""

    alert: str
    kind: str
    change: str
    rules: dict[str, Any]
    group: Group


def outside(expr: str) -> list[tuple[int, int]]:
    """Places of an expression that lie outside of `{…}` and strings."""
    spans, last = [], 0
    for match in re.finditer(r"\{[^}]*\}", expr):
        spans.append((last, match.start()))
        last = match.end()
    return [*spans, (last, len(expr))]


def damaged(expr: str) -> Iterator[tuple[str, str, str]]:
    """Kind, description and text of every way to damage an expression."""
    for begin, end in outside(expr):
        for match in re.finditer(r">=|<=|==|!=|>|<", expr[begin:end]):
            at = begin + match.start()
            yield "comparison", f"{match[0]} at {at}", expr[:at] + FLIPPED[match[0]] + expr[begin + match.end() :]
    for match in re.finditer(r"by \(([^)]*)\)", expr):
        labels = match[1].split(", ")
        for label in labels:
            left = ", ".join(each for each in labels if each != label)
            yield "label", f"{label} at {match.start()}", f"{expr[: match.start(1)]}{left}{expr[match.end(1) :]}"
    for match in re.finditer(r"\[(\w+)\]|offset (\w+)", expr):
        group = 1 if match[1] else 2
        yield "window", f"{match[0]} at {match.start()}", f"{expr[: match.start(group)]}1ms{expr[match.end(group) :]}"


def mutants(found: Project) -> Iterator[Mutant]:
    """Every damage to every alert, and to the recording rules that it reads."""
    for group in rules.groups(found, found.environments):
        for alert in group.alerts:
            records = tuple(record for record in group.records if record.name + "{" in alert.expr)
            # Alerts on absence share their name, and so their test.
            related = tuple(each for each in group.alerts if each is alert or (alert.absent and each.absent))
            alone = group._replace(records=records, alerts=related)
            document = rules.document(found, [alone])
            (own,) = document["groups"]
            position = len(records) + related.index(alert)

            def changed(index: int, **values: Any) -> dict[str, Any]:
                copy = [{**rule, **values} if at == index else rule for at, rule in enumerate(own["rules"])]  # noqa: B023
                return {"groups": [{**own, "rules": copy}]}  # noqa: B023

            for index in (*range(len(records)), position):
                for kind, change, expr in damaged(own["rules"][index]["expr"]):
                    yield Mutant(alert.name, kind, change, changed(index, expr=expr), alone)
            for held in ("0s", f"{int(alert.for_ * 3)}s"):
                yield Mutant(alert.name, "for", held, changed(position, **{"for": held}), alone)


def verdicts(found: Project, every: list[Mutant], folder: Path) -> list[bool]:
    """Whether the tests of each mutant failed."""
    tests: list[list[Path]] = []
    for index, mutant in enumerate(every):
        name = f"rules-{index}.yaml"
        (folder / name).write_text(yaml.safe_dump(plain(mutant.rules)))
        paths = []
        for file, document in proofs.documents(found, [mutant.group], name):
            if document["tests"]:
                path = folder / f"{index}-{file}"
                path.write_text(yaml.safe_dump(plain(document)))
                paths.append(path)
        tests.append(paths)

    def judge(some: list[list[Path]]) -> list[bool]:
        done = run("promtool", "test", "rules", *(path for paths in some for path in paths))
        failed = {
            Path(part.split("\n", 1)[0].strip()).name
            for part in (done.stdout + done.stderr).split("Unit Testing:")[1:]
            if "SUCCESS" not in part
        }
        return [any(path.name in failed for path in paths) for paths in some]

    size = 25
    batches = [tests[start : start + size] for start in range(0, len(tests), size)]
    with ThreadPoolExecutor(2) as pool:
        return [verdict for batch in pool.map(judge, batches) for verdict in batch]


def plain(value: Any) -> Any:
    """The value without origins, as PyYAML takes it."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


@pytest.mark.slow
def test_every_damage_to_a_rule_makes_a_generated_test_fail(tmp_path: Path, capsys: object) -> None:
    found = project("every-alert")
    found = replace(found, environments=found.environments[-1:])
    every = list(mutants(found))
    caught = verdicts(found, every, tmp_path)
    made, survived = Counter(mutant.kind for mutant in every), []
    for mutant, gone in zip(every, caught, strict=True):
        if not gone:
            survived.append(f"{mutant.alert}: {mutant.kind} {mutant.change}")
    with capsys.disabled():  # type: ignore[attr-defined]
        kinds = ", ".join(f"{made[kind]} of kind {kind}" for kind in KINDS)
        print(f"\nmutants of the rules caught: {sum(caught)} of {len(every)} ({sum(caught) / len(every):.1%}); {kinds}")
    assert not survived, "\n".join(survived)
    assert all(made[kind] for kind in KINDS)


def test_an_undamaged_rule_is_no_mutant(tmp_path: Path) -> None:
    found = project("every-alert")
    group = next(iter(rules.groups(found, found.environments)))
    sound = Mutant("", "", "", rules.document(found, [group]), group)
    assert verdicts(found, [sound], tmp_path) == [False]
