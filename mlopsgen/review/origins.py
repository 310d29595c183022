"""Where the lines of generated files come from, and where the fields of a spec go.

A value that the renderer traced tells its field at once. Text that was put together by plain code, booleans and
conditions tell nothing: there every field is given another value, and what is made then is compared line by line. A
traced field is believed only where that shows it too, so each answer has been seen to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple, Protocol

from mlopsgen.diagnostics import Failed
from mlopsgen.review import lines
from mlopsgen.review.alternatives import Edit, edits
from mlopsgen.review.inputs import Input, State
from mlopsgen.review.lines import Role

ENOUGH = 2
"""Other values that are tried for each field."""
MOST = 6
"""The same where a line that was traced to the field does not change by them."""
ALL = 16
"""Other values that are looked at for each field, valid or not."""
TOGETHER = 24
"""Fields that get another value at once, to see that none of them matters."""

Making = Literal["template", "own template", "builder"]


class Made(NamedTuple):
    """A generated file.

    Attributes:
        key: as in the lock.
        making: what made it, a template of ours, one of the user's, or code.
        template: its name; empty for a builder.
        keep: written once, then the user's.
        unmanaged: never written.
        lines: as the target made it.
        final: as it is written, patched.
        patches: numbers of the patches applied to it.
        traced: spec paths that the renderer saw on a line.
    """

    key: str
    target: str
    making: Making
    template: str
    keep: bool
    unmanaged: bool
    lines: Sequence[str]
    final: Sequence[str]
    patches: tuple[int, ...]
    traced: Mapping[int, frozenset[str]]


class Outcome(Protocol):
    """What becomes of a changed spec; made as far as it is asked for."""

    def lines(self, made: Made, renamed: tuple[str, str] | None) -> Sequence[str] | None:
        """The file that was `made` before, None when it is gone. Raises Failed."""

    def final(self, made: Made) -> Sequence[str] | None:
        """The same, patched. Raises Failed."""


class Reached(NamedTuple):
    """An input and how a line depends on it."""

    input: Input
    role: Role


class Origins:
    """Answers for one spec.

    Attributes:
        inputs: everything that output can depend on.
        files: every generated file by key.
    """

    def __init__(
        self,
        state: State,
        resolved: Mapping[str, Any],
        inputs: Sequence[Input],
        files: Mapping[str, Made],
        compile: Callable[[State], Outcome],
    ) -> None:
        """
        Args:
            resolved: the document with all defaults, as plain data.
            compile: raises Failed for a state that is not valid.
        """
        self.inputs = inputs
        self.files = files
        self._state = state
        self._resolved = resolved
        self._compile = compile
        self._edits: dict[Any, list[Edit]] = {}
        self._outcomes: dict[Any, Outcome | None] = {}
        self._reached: dict[Any, dict[int, Role]] = {}
        self._inner: dict[str, dict[int, int]] = {}

    def reach(self, given: Input, key: str) -> dict[int, Role]:
        """Lines of a file that an input reaches, from 1."""
        asked = (given.key, key)
        if asked not in self._reached:
            made = self.files[key]
            if given.path[0] == "patches":
                found = self._patched(given, made)
            else:
                inside = self._inside(made)
                seen = self._seen(given, made)
                found = {line: seen[inner] for line, inner in inside.items() if inner in seen}
            self._reached[asked] = found
        return self._reached[asked]

    def is_fixed(self, given: Input) -> bool:
        """Whether no other value of an input is valid alone, as far as was tried: its traces are all that is known."""
        return not any(self._outcome(given, number) for number in range(len(self._every(given))))

    def line(self, key: str, number: int, step: Callable[[int, int], None] | None = None) -> list[Reached]:
        """Inputs that reach a line; those whose value stands there first.

        Args:
            step: told how many inputs are done, and of how many.
        """
        found = []
        asked = self._suspects(key, number)
        for done, each in enumerate(asked):
            role = self.reach(each, key).get(number)
            if role is not None:
                found.append(Reached(each, role))
            if step is not None:
                step(done + 1, len(asked))
        order = {"value": 0, "presence": 1, "file": 2}
        return sorted(found, key=lambda one: (order[one.role], one.input.span is None))

    def forget(self) -> None:
        """Let go of what was compiled; answers stay."""
        self._outcomes.clear()

    def patch(self, key: str, number: int) -> tuple[int, ...]:
        """Numbers of the patches of which one wrote the line; none when its target did."""
        made = self.files[key]
        return made.patches if number not in self._inside(made) else ()

    def traced(self, key: str, number: int) -> list[str]:
        """Spec paths that the renderer saw on a line, whether another value changes it or not."""
        inner = self._inside(self.files[key]).get(number, 0)
        return sorted(self.files[key].traced.get(inner, ()))

    def _inside(self, made: Made) -> dict[int, int]:
        """Lines of the file with their place before patches."""
        if made.key not in self._inner:
            self._inner[made.key] = (
                lines.aligned(made.lines, made.final)
                if made.patches
                else {number: number for number in range(1, len(made.lines) + 1)}
            )
        return self._inner[made.key]

    def _patched(self, given: Input, made: Made) -> dict[int, Role]:
        found: dict[int, Role] = {}
        if given.path[1] not in made.patches:
            return found
        tried = 0
        for number in range(len(self._every(given))):
            outcome = self._outcome(given, number)
            try:
                new = outcome.final(made) if outcome else None
            except Failed:
                continue
            if new is not None:
                found = _joined(found, lines.changed(made.final, new))
                tried += 1
            if tried == ENOUGH:
                break
        inside = self._inside(made)
        return {number: role for number, role in found.items() if number not in inside}

    def _seen(self, given: Input, made: Made) -> dict[int, Role]:
        """Lines, before patches, that change with the input."""
        found: dict[int, Role] = {}
        traced = {number for number, fields in made.traced.items() if given.field in fields}
        tried = 0
        for number in range(len(self._every(given))):
            if tried >= MOST or (tried >= ENOUGH and traced <= found.keys()):
                break
            outcome = self._outcome(given, number)
            if outcome is None:
                continue
            try:
                new = outcome.lines(made, self._every(given)[number].renamed)
            except Failed:
                continue
            tried += 1
            if new is None:
                more: dict[int, Role] = dict.fromkeys(range(1, len(made.lines) + 1), "file")
            else:
                more = lines.changed(made.lines, new)
            found = _joined(found, more)
        if not tried and self.is_fixed(given):
            return dict.fromkeys(traced, "value")  # no other value is valid alone
        # A list may have no other entry: where an entry was traced to, that it can go is an answer.
        return {number: "value" if number in traced and role == "presence" else role for number, role in found.items()}

    def _suspects(self, key: str, number: int) -> list[Input]:
        """Inputs that may reach a line: traced to it, or another value of theirs changes it or is not valid."""
        made = self.files[key]
        inner = self._inside(made).get(number)
        traced = made.traced.get(inner, frozenset()) if inner else frozenset()
        wanted = {each.key for each in self.inputs if each.field in traced and each.kind == "value"}
        if not inner:
            wanted |= {each.key for each in self.inputs if each.path[0] == "patches" and each.path[1] in made.patches}
        else:
            plain = [each for each in self.inputs if each.path[0] != "patches"]
            for rank in range(ENOUGH):
                left = [each for each in plain if each.key not in wanted and rank < len(self._every(each))]
                for at in range(0, len(left), TOGETHER):
                    wanted |= self._touching(made, inner, left[at : at + TOGETHER], rank)
        return [each for each in self.inputs if each.key in wanted]

    def _touching(self, made: Made, line: int, given: Sequence[Input], rank: int) -> set[Any]:
        """Inputs whose other value of that rank may change a line, or is not valid; many are tried at once."""
        bad: set[Any] = set()
        state, fine = self._state, []
        for each in given:
            try:
                state = self._every(each)[rank].apply(state)
                fine.append(each)
            except (LookupError, TypeError):  # another of them took away what this one stands in
                bad.add(each.key)
        try:
            new = self._compile(state).lines(made, None)
        except Failed as failed:
            blamed = {each.key for each in fine if any(_is_at(each, found.path) for found in failed.diagnostics)}
            left = [each for each in fine if each.key not in blamed]
            bad |= blamed if blamed or len(fine) > 1 else {each.key for each in fine}
            if not left or len(fine) <= 1:
                return bad
            return bad | (self._touching(made, line, left, rank) if blamed else self._halves(made, line, left, rank))
        if new is not None and lines.is_kept(made.lines, new, line):
            return bad
        if len(fine) == 1:
            return bad | {fine[0].key}
        return bad | self._halves(made, line, fine, rank)

    def _halves(self, made: Made, line: int, given: Sequence[Input], rank: int) -> set[Any]:
        half = len(given) // 2
        parts = [part for part in (given[:half], given[half:]) if part]
        return set().union(*(self._touching(made, line, part, rank) for part in parts))

    def _every(self, given: Input) -> list[Edit]:
        if given.key not in self._edits:
            self._edits[given.key] = list(islice(edits(given, self._state.tree, self._resolved), ALL))
        return self._edits[given.key]

    def _outcome(self, given: Input, number: int) -> Outcome | None:
        """What becomes of the spec with one other value; None when that is not valid."""
        asked = (given.key, number)
        if asked not in self._outcomes:
            try:
                self._outcomes[asked] = self._compile(self._every(given)[number].apply(self._state))
            except Failed:
                self._outcomes[asked] = None
        return self._outcomes[asked]


def _joined(one: Mapping[int, Role], other: Mapping[int, Role]) -> dict[int, Role]:
    """Both; what says something else counts before what is gone, and that before a file that is gone."""
    order: list[Role] = ["value", "presence", "file"]
    return {
        number: min((found[number] for found in (one, other) if number in found), key=order.index)
        for number in sorted(one.keys() | other.keys())
    }


def _is_at(given: Input, path: str) -> bool:
    """Whether a finding at a path is about the input."""
    return given.kind != "pin" and (given.field == path or path.startswith((f"{given.field}.", f"{given.field}[")))
