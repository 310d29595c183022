"""The same run in W&B, beside MLflow. Its client keeps what it logs on disk and sends it on its own time."""

from __future__ import annotations

import netrc
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_runtime.errors import Mistaken
from mlops_runtime.tracking import facts
from mlopsgen.contract import environment

FOLDER = "wandb"
"""Folder that the client makes in the working directory; it holds runs that were not sent."""

PICTURES = (".png", ".jpg", ".jpeg")
SECONDS = 60
"""How long the beginning of a run waits for W&B."""


class WandbTracker:
    """Records one run.

    Without an API key, or when W&B does not answer at the beginning, the run is kept offline and `wandb sync` sends it.

    Args:
        given: `tracking.wandb` of the spec: entity and project.
        run_id: MLflow's id, which is W&B's too, so that a resumed run goes on in both.
        name: of the run.
        tags: of the run in MLflow; they become configuration here, where tags have no values.
        notes: for people.
        group: runs of one project.

    Raises:
        Mistaken: the package is not installed.
    """

    def __init__(
        self, given: Mapping[str, str], run_id: str, name: str, tags: Mapping[str, str], notes: str, group: str
    ) -> None:
        try:
            import wandb
        except ImportError:
            raise Mistaken(
                "`tracking.wandb` is set and the package wandb is not installed: `pip install wandb`, or drop "
                "the section"
            ) from None
        labels = [f"{key}:{tags[key]}"[:64] for key in ("team", "task", "stage") if key in tags]
        arguments: dict[str, Any] = {
            "entity": given["entity"],
            "project": given["project"],
            # An agent of a sweep names the run itself.
            "id": None if os.environ.get("WANDB_RUN_ID") else run_id,
            "resume": "allow",
            "name": name,
            "tags": labels,
            "notes": notes,
            "group": group,
            "job_type": tags.get("stage"),
            "config": {"mlflow_run_id": run_id, **tags},
            "settings": wandb.Settings(console="off", silent=True, init_timeout=SECONDS),
        }
        try:
            self._run = wandb.init(mode=_mode(), **arguments)
        except (wandb.errors.CommError, wandb.errors.AuthenticationError, wandb.errors.UsageError) as error:
            _say(f"W&B cannot be reached ({' '.join(str(error).split())[:200]})")
            self._run = wandb.init(mode="offline", **arguments)
        if self._run.settings.mode == "offline":
            _say(f"the W&B run is kept in {FOLDER}/: `wandb sync` sends it")
        self._run.define_metric("*", step_metric="step")
        _hide(FOLDER)

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Record parameters with dotted names."""
        self._config(facts.flat(parameters))

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record metrics over `step`."""
        self._run.log({**metrics, "step": step})

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Record tags with values, as configuration."""
        self._config(dict(tags))

    def log_datasets(self, datasets: Mapping[str, facts.Dataset]) -> None:
        """Record digest and size of each part of the data."""
        self._config({f"data.{name}": part._asdict() for name, part in datasets.items()})

    def log_artifact(self, path: str) -> None:
        """Keep a file with the run; a picture is shown as one."""
        import wandb

        if path.endswith(PICTURES):
            self._run.log({os.path.splitext(os.path.basename(path))[0]: wandb.Image(path)})
        else:
            self._added(path, "file")

    def log_model(self, folder: str) -> None:
        """Keep the model as an artifact."""
        self._added(folder, "model")

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Keep a table with the run."""
        import wandb

        self._run.log({name: wandb.Table(columns=list(columns), data=[list(row) for row in rows])})

    def watch(self, model: Any) -> None:
        """Record histograms of the gradients, every 1,000 backward passes."""
        self._run.watch(model, log="gradients", log_freq=1000)

    def begin(self) -> None:
        """Nothing: the client records the machine by itself."""

    def end(self, status: str) -> None:
        """Send what is left; a run that did not finish is marked as failed."""
        self._run.finish(exit_code=0 if status == "FINISHED" else 1)

    def _config(self, values: Mapping[str, Any]) -> None:
        self._run.config.update(values, allow_val_change=True)  # type: ignore[no-untyped-call]

    def _added(self, path: str, kind: str) -> None:
        import wandb

        base = os.path.basename(path.rstrip("/"))
        artifact = wandb.Artifact(f"{self._run.project}-{base}".replace("/", "-"), type=kind)
        artifact.add_dir(path) if os.path.isdir(path) else artifact.add_file(path)
        self._run.log_artifact(artifact)


def _mode() -> Any:
    given = os.environ.get("WANDB_MODE")
    if given:
        return given
    if os.environ.get(environment.WANDB_API_KEY):
        return "online"
    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").partition("//")[2].partition("/")[0]
    try:
        known = netrc.netrc().authenticators(host)
    except (OSError, netrc.NetrcParseError):
        known = None
    if known is None:
        _say(f"there is no {environment.WANDB_API_KEY}")
    return "online" if known else "offline"


def _hide(folder: str) -> None:
    """Keep Git from seeing a folder, as caches of other tools do."""
    path = os.path.join(folder, ".gitignore")
    if os.path.isdir(folder) and not os.path.exists(path):
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("*\n")


def _say(text: str) -> None:
    print(f"tracking: {text}", file=sys.stderr, flush=True)
