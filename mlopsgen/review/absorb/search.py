"""Finds the changes of a spec after which a build says what is on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from mlopsgen.diagnostics import Failed
from mlopsgen.review.absorb.candidates import Edit, Known, groups
from mlopsgen.review.absorb.hunks import Hunk, Wrong, hunks, wrong
from mlopsgen.review.inputs import Input
from mlopsgen.review.writing.splices import Refused

TRIES = 48
"""Changes of the spec that are tried for one line."""
FURTHER = 6
"""The same once one was found that would do, were it not for other lines."""
IN_ALL = 400
"""The same for all lines together: a file that was written anew is no matter of fields."""


class Outcome(Protocol):
    """What a build of a changed spec would write."""

    @property
    def lines(self) -> Mapping[str, list[str]]:
        """Of the files that are absorbed."""

    @property
    def changed(self) -> frozenset[str]:
        """Keys of other files that say something else than they would without the change."""

    @property
    def gone(self) -> frozenset[str]:
        """Keys of files that no longer come out."""


Attempt = Callable[[str], Outcome]
"""Compiles the text of a spec. Raises Failed."""


class Near(NamedTuple):
    """A change that would do, were it not for other lines of the same files that it changes as well."""

    hunk: Hunk
    edit: Edit
    also: tuple[str, str]


class Taken(NamedTuple):
    """A change of the spec and the lines on disk that it stands for."""

    edit: Edit
    hunks: tuple[Hunk, ...]
    others: frozenset[str]


class Found(NamedTuple):
    """What came of a search: the spec as it should be, what was changed in it, and what no field says."""

    text: str
    outcome: Outcome
    taken: tuple[Taken, ...]
    left: tuple[Hunk, ...]
    near: tuple[Near, ...]


class _Tried(NamedTuple):
    edit: Edit
    text: str
    outcome: Outcome
    wrong: Wrong


class Search:
    """One search; files on disk and what is known of the spec stay the same during it."""

    def __init__(
        self, text: str, disk: Mapping[str, list[str]], known: Known, attempt: Attempt, step: Callable[[int, int], None]
    ) -> None:
        self._disk = disk
        self._known = known._replace(reached=self._reached)
        self._deep = known.reached
        self._tried = 0
        self._attempt = attempt
        self._step = step
        self._text = text
        self._outcome = attempt(text)
        self._wrong = wrong(disk, self._outcome.lines)
        self._near: dict[Hunk, Near] = {}
        self._invalid: dict[Hunk, Edit] = {}

    def run(self) -> Found:
        """Change by change, in the order of the files. Raises nothing of the compiler's."""
        built = {key: list(self._outcome.lines[key]) for key in self._disk}
        every = [hunk for key, content in self._disk.items() for hunk in hunks(key, built[key], content)]
        taken = self._pass(every, every, built)
        if taken and self._invalid:  # what was not valid alone may be now
            taken += self._pass([hunk for hunk in every if hunk in self._invalid], every, built)
        taken += self._together(every)
        self._step(len(every), len(every))
        left = [hunk for hunk in every if not self._wrong.settles(hunk)]
        near = [self._near[hunk] for hunk in left if hunk in self._near]
        return Found(self._text, self._outcome, tuple(taken), tuple(left), tuple(near))

    def _pass(self, asked: list[Hunk], every: list[Hunk], built: Mapping[str, list[str]]) -> list[Taken]:
        taken: list[Taken] = []
        for number, hunk in enumerate(asked):
            self._step(number, len(asked))
            if self._wrong.settles(hunk):
                continue
            tried = self._first(hunk, built)
            if tried is not None:
                taken.append(self._take([tried.edit], tried, every))
        return taken

    def nothing(self) -> Found:
        """The spec as it is."""
        return Found(self._text, self._outcome, (), (), ())

    def _first(self, hunk: Hunk, built: Mapping[str, list[str]]) -> _Tried | None:
        tries = further = 0
        for group in groups(hunk, self._known, built):
            good = [tried for edit in group if (tried := self._try(hunk, [edit])) is not None]
            if good:
                return min(good, key=lambda one: (one.wrong.size, *self._reach(one)))
            tries += len(group)
            further += len(group) if hunk in self._near else 0
            if tries >= TRIES or further > FURTHER:
                break
        return None

    def _reached(self, key: str, line: int) -> list[Input]:
        """Asked for only where nothing cheaper came near."""
        return [] if any((hunk.key, hunk.line) == (key, line) for hunk in self._near) else self._deep(key, line)

    def _reach(self, tried: _Tried) -> tuple[int, int]:
        """How many files of other environments change, and how long the path is."""
        names = self._known.tree.find(("environments",))
        environments = names.value if names is not None and isinstance(names.value, dict) else {}
        mine = {name for name in environments for key in self._disk if f"/{name}/" in f"/{key}"}
        foreign = [name for name in environments if name not in mine]
        touched = sum(any(f"/{name}/" in f"/{key}" for name in foreign) for key in tried.outcome.changed)
        return touched, len(tried.edit.path)

    def _try(self, hunk: Hunk | None, edits: list[Edit]) -> _Tried | None:
        """What comes of changes, if it is nearer to the disk and puts nothing wrong that was not."""
        self._tried += 1
        if self._tried > IN_ALL:
            return None
        try:
            text = self._text
            for edit in edits:
                text = edit.apply(text)
            outcome = self._attempt(text)
        except Refused:
            return None
        except Failed:
            if hunk is not None:
                self._invalid.setdefault(hunk, edits[0])
            return None
        if outcome.gone - self._outcome.gone:
            return None
        now = wrong(self._disk, outcome.lines)
        settled = hunk is None or now.settles(hunk)
        if settled and now.size < self._wrong.size and now.within(self._wrong):
            return _Tried(edits[0], text, outcome, now)
        if settled and hunk is not None:
            more = now.extra - self._wrong.extra or now.missing - self._wrong.missing
            if more:
                self._near.setdefault(hunk, Near(hunk, edits[0], next(iter(more))))
        return None

    def _take(self, edits: list[Edit], tried: _Tried, every: list[Hunk]) -> Taken:
        before = self._wrong
        others = tried.outcome.changed - self._outcome.changed
        self._text, self._outcome, self._wrong = tried.text, tried.outcome, tried.wrong
        settled = tuple(hunk for hunk in every if self._wrong.settles(hunk) and not before.settles(hunk))
        return Taken(edits[0], settled, others)

    def _together(self, every: list[Hunk]) -> list[Taken]:
        """Changes that are valid, or right, only with one another: two bounds that both rise, for one."""
        left = [hunk for hunk in every if not self._wrong.settles(hunk)]
        edits = [self._invalid.get(hunk) or (self._near[hunk].edit if hunk in self._near else None) for hunk in left]
        several = list({one.path: one for one in edits if one is not None}.values())
        if len(several) < 2:
            return []
        tried = self._try(None, several)
        if tried is None:
            return []
        first = self._take(several, tried, every)
        return [first, *(Taken(edit, (), frozenset()) for edit in several[1:])]
