"""What the registry is told of a rollout."""

from __future__ import annotations

from typing import NamedTuple

from mlops_runtime.registry import promotion, rejection


class Registry(NamedTuple):
    """The registered model.

    Attributes:
        model: its name.
        keep: retired versions that are kept.
    """

    model: str
    keep: int

    def challenger(self) -> str | None:
        """The version that is to be tried next; None for none.

        Raises:
            Mistaken: no such model, or the server does not answer.
        """
        return promotion.challenger(self.model)

    def promote(self, version: str) -> promotion.Outcome:
        """Alias and ledger. Doing it again changes nothing.

        Raises:
            Mistaken: no such version, or the server does not answer.
        """
        return promotion.promote(version, (self.model, self.keep))

    def reject(self, version: str, reason: str) -> None:
        """Note why a version was taken back; it is no challenger any more. Doing it again changes nothing.

        Raises:
            Mistaken: the server does not answer.
        """
        rejection.reject(self.model, version, reason)

    def keep_report(self, version: str, path: str) -> None:
        """Store a rollout's report with the run that made the version.

        Raises:
            Mistaken: the server does not answer.
        """
        rejection.keep(self.model, version, path)
