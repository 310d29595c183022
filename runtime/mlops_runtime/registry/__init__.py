"""The model registry: versions with their lineage, champion and challenger, and what was in production when.

MLflow's stages are deprecated and not used. `promote` and `rollback` move the alias `champion` (`promotion`); the
ledger (`ledger`) says what should be, and `state` makes it so.
"""

from __future__ import annotations

__all__ = ["champion_artifact"]


def champion_artifact(path: str) -> str | None:
    """Local path of a file of the run that trained the champion.

    Args:
        path: of the file among the run's artifacts.

    Returns:
        None when there is no champion, or its run has no such file.

    Raises:
        Mistaken: the server does not answer.
    """
    from mlops_runtime.registry import champion

    found = champion.champion()
    return champion.artifact(found, path) if found is not None else None
