"""The dashboards by the names that `monitoring.dashboards` knows."""

from __future__ import annotations

from collections.abc import Callable

from mlopsgen.targets.grafana.boards import cost, gpu, quality, rollout, service, training
from mlopsgen.targets.grafana.model import Board
from mlopsgen.targets.grafana.view import View

BOARDS: dict[str, Callable[[View], Board]] = {
    "service": service.board,
    "quality": quality.board,
    "gpu": gpu.board,
    "rollout": rollout.board,
    "training": training.board,
    "cost": cost.board,
}
