"""Ratings of answers: only of those that this server gave recently, each once."""

from __future__ import annotations

from collections import OrderedDict

from mlops_runtime.serving import problems

REMEMBERED = 20_000
"""Answers that can be rated; of more, the oldest cannot any longer."""


class Feedback:
    """The answers that can be rated, by id; no text of them."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._rated: OrderedDict[str, bool] = OrderedDict()

    def issued(self, name: str) -> None:
        """An answer was given under this id."""
        self._rated[name] = False
        if len(self._rated) > self._remembered:
            self._rated.popitem(last=False)

    def rate(self, name: str) -> None:
        """Take the rating of an answer.

        Raises:
            Problem: 404 for an id that is not known here, 409 for an answer that was rated.
        """
        rated = self._rated.get(name)
        if rated is None:
            raise problems.Problem(
                404, "no answer of this id was given here recently", "unknown_id", param="id", kind="not_found_error"
            )
        if rated:
            raise problems.Problem(409, "this answer was rated before", "already_rated", param="id")
        self._rated[name] = True
