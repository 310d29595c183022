"""Faults planted in what really comes out, to try the judges."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from tests.manifests import graph
from tests.manifests.kustomize import Built
from tests.manifests.objects import Object, key
from tests.manifests.specs import CASES, environments

GONE = object()
"""Instead of a value: what lies there is taken out."""

POD = "spec/template/spec"
SERVER = f"{POD}/containers/0"
CHAMPION = "Deployment/docstrings-champion"


class Fault(NamedTuple):
    """A change of one object, and what the judge must say of it.

    Attributes:
        path: steps with `/` between them; `~1` stands for a slash.
        told: words that one line must hold.
        about: the object that this line is about, the changed one unless given.
    """

    case: str
    target: str
    path: str
    value: Any
    told: str
    about: str = ""

    def named(self, lines: Iterable[str]) -> bool:
        """Whether one of a judge's lines names the fault."""
        return any(line.startswith(self.about or self.target) and self.told in line for line in lines)


def beginning(start: str) -> str:
    """The first case whose name begins so: which routing it has follows from its place in the list."""
    return next(each for each in CASES if each.startswith(start))


def last(case: str) -> Built:
    """The last environment of a case: the one with a canary."""
    return environments(case)[-1]


@cache
def as_it_is(case: str) -> frozenset[str]:
    """What the judge says of an environment without a fault: nothing, unless a target has one."""
    found = last(case)
    return frozenset(graph.problems(found.objects, found.expected, found.namespace, found.later))


def planted(fault: Fault) -> tuple[list[Object], list[Object]]:
    """Objects of the environment and those applied later, with the fault in them."""
    found = last(fault.case)
    objects, later = copy.deepcopy(found.objects), copy.deepcopy(found.later)
    [target] = [obj for obj in (*objects, *later) if key(obj) == fault.target]
    *steps, end = [step.replace("~1", "/") for step in fault.path.split("/")]
    holder: Any = target
    for step in steps:
        holder = holder[int(step) if isinstance(holder, list) else step]
    at = int(end) if isinstance(holder, list) else end
    if fault.value is GONE:
        del holder[at]
    elif isinstance(holder, list) and at == len(holder):
        holder.append(fault.value)
    else:
        holder[at] = fault.value(holder[at]) if callable(fault.value) else fault.value
    return objects, later


def told_of(fault: Fault) -> set[str]:
    """What the judge of references says of an environment with a fault, beyond what it says without."""
    found = last(fault.case)
    objects, later = planted(fault)
    return set(graph.problems(objects, found.expected, found.namespace, later)) - as_it_is(fault.case)
