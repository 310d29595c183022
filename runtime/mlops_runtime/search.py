"""Hyperparameter search over `training.search` of mlops.yaml, with Optuna: nested runs, resumed where it stopped.

Everything it needs lies in `.search/`, which neither Git nor DVC sees: Optuna's storage, and a folder for the
trial that runs.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_runtime import parameters
from mlops_runtime import search_space as space
from mlops_runtime.data.atomic import write
from mlops_runtime.errors import Mistaken
from mlops_runtime.search_space import Space
from mlops_runtime.tracking import facts, server
from mlopsgen.contract import environment, files
from mlopsgen.contract.commands import PROGRAM

if TYPE_CHECKING:
    import optuna

FOLDER = ".search"
STORAGE = "search.db"
LOG = "trial.log"

OWN = {
    "models",
    "reports",
    "checkpoints",
    "mlruns",
    "mlartifacts",
    "wandb",
    "dvc.lock",
    files.PARAMS,
    files.LOCAL_TRACKING,
}
"""What a trial makes itself, or must not touch; everything else of the project is linked into its folder."""


SECTIONS = ("data", "drift", "evaluate", "benchmark", "safety", "bias", "register")
"""Sections of `params.yaml` that no search changes."""


class Best(NamedTuple):
    """The best trial.

    Attributes:
        metric: what was optimised.
        number: of the trial, from 0.
        value: of the metric.
        values: parameters by the names of the search.
        trials: finished trials.
        failed: trials that failed.
    """

    metric: str
    number: int
    value: float
    values: dict[str, Any]
    trials: int
    failed: int


def search() -> Best:
    """Run the trials that are still to run, as children of one run, and write `reports/sweep.yaml` for W&B.

    Raises:
        Mistaken: no search in mlops.yaml, another one that runs here, no trial that worked, or no answer from the
            tracking server.
    """
    import optuna

    from mlops_runtime import tracking

    wanted = space.read()
    given = parameters.read("model", "train")
    space.write_sweep(wanted)
    os.makedirs(FOLDER, exist_ok=True)
    for name in (".gitignore", ".dvcignore"):
        write(os.path.join(FOLDER, name), b"*\n")
    with _alone():
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = _study(wanted, given)
        asked = {"model": given["model"], "train": given["train"], "search": wanted.plain()}
        with tracking.start("search", asked, run_id=study.user_attrs.get("run_id")) as tracker:
            study.set_user_attr("run_id", tracker.run_id)
            _run(study, wanted, given, tracker)
            best = _best(study, wanted)
            tracker.log_metrics({wanted.metric: best.value}, best.number)
            tracker.log_tags({f"best.{name}": str(value) for name, value in best.values.items()})
            tracker.log_artifact(files.SWEEP)
    return best


def pasted(best: Best) -> str:
    """The best parameters as YAML, as they stand in mlops.yaml."""
    import yaml

    document: dict[str, Any] = {}
    for name, value in best.values.items():
        section, *above, last = space.path(name)
        here = document.setdefault("training" if section == "train" else section, {})
        for part in above:
            here = here.setdefault(part, {})
        here[last] = value
    return yaml.safe_dump(document, sort_keys=False)


@contextmanager
def _alone() -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        with FileLock(os.path.join(FOLDER, "lock"), timeout=0):
            yield
    except Timeout:
        raise Mistaken(f"another `{PROGRAM} search` runs in this folder: wait for it") from None


def _study(wanted: Space, given: Mapping[str, Any]) -> optuna.Study:
    """The study of this search; another metric, space or project's parameters is another study."""
    import optuna

    storage = optuna.storages.RDBStorage(f"sqlite:///{os.path.abspath(os.path.join(FOLDER, STORAGE))}")
    return optuna.create_study(
        study_name=space.digest(wanted, given),
        storage=storage,
        direction=wanted.goal,
        load_if_exists=True,
    )


def _run(study: optuna.Study, wanted: Space, given: Mapping[str, Any], tracker: Any) -> None:
    from optuna.trial import TrialState

    from mlops_runtime.data.progress import progress

    seen = study.get_trials(deepcopy=False)
    # With the seed alone, a search that goes on would draw again what it drew before.
    study.sampler = space.sampler(wanted, given["train"]["seed"] + len(seen))
    for point in space.grid(wanted) if wanted.method == "grid" else []:
        study.enqueue_trial(point, skip_if_exists=True)
    trials = min(wanted.trials, len(space.grid(wanted))) if wanted.method == "grid" else wanted.trials
    done = sum(trial.state.is_finished() for trial in seen)
    dimensions = space.dimensions(wanted)
    left = []  # of a process that died
    for trial in seen:
        if trial.state == TrialState.RUNNING and set(trial.params) == set(dimensions):
            left.append(trial)
        elif trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
            done += 1
    for _ in progress(range(trials - done), "search", "trials"):
        asked: Any = left.pop(0) if left else study.ask()
        values = {name: dimension(asked) for name, dimension in dimensions.items()}
        value = _trial(asked.number, values, wanted, given, tracker)
        failed = value is None or not math.isfinite(value)
        study.tell(asked.number, None if failed else value, state=TrialState.FAIL if failed else None)
        _say(asked.number, values, wanted.metric, value)


def _trial(
    number: int, values: Mapping[str, Any], wanted: Space, given: Mapping[str, Any], tracker: Any
) -> float | None:
    """Train with other parameters in a folder of its own; None when it failed. An interrupted one goes on there."""
    folder = os.path.join(FOLDER, f"trial-{number}")
    _prepared(folder, space.changed(given, values))
    client = server.client()
    with server.answering():
        run = _child(client, tracker.run_id, number, folder)
    surroundings = {
        **os.environ,
        environment.TRACKING_URI: server.uri(),
        environment.TRACKING_EXPERIMENT: server.experiment(),
        "MLFLOW_RUN_ID": run,
    }
    value = None
    for command in ("train", "evaluate"):
        if not _called(command, wanted.gpus if command == "train" else 1, folder, surroundings):
            client.set_terminated(run, "FAILED")
            return None
        value = _reported(folder, wanted.metric)
        if value is not None:
            break
    if value is not None:
        client.log_metric(run, wanted.metric, value)
        shutil.rmtree(folder)
    return value


def _prepared(folder: str, changed: Mapping[str, Any]) -> None:
    """The project as the trial sees it: own parameters and outputs, links to everything else."""
    os.makedirs(folder, exist_ok=True)
    for name in sorted(os.listdir(".")):
        link = os.path.join(folder, name)
        if name not in OWN and not name.startswith(".") and not os.path.lexists(link):
            os.symlink(os.path.abspath(name), link)
    whole = {**parameters.read(optional=SECTIONS), **changed}
    write(os.path.join(folder, files.PARAMS), json.dumps(whole, indent=2).encode())  # JSON is YAML


def _child(client: Any, parent: str, number: int, folder: str) -> str:
    """Run of the trial: the one that an interrupted trial left, else a new one below the search's."""
    note = os.path.join(folder, ".run")
    if os.path.exists(note):
        with open(note, encoding="utf-8") as stream:
            return stream.read()
    experiment = client.get_run(parent).info.experiment_id
    tags = {"mlflow.parentRunId": parent, "mlflow.user": facts.person()}
    run = client.create_run(experiment, tags=tags, run_name=f"trial {number}")
    write(note, run.info.run_id.encode())
    return str(run.info.run_id)


def _called(command: str, processes: int, folder: str, surroundings: Mapping[str, str]) -> bool:
    """Whether a command of the runtime succeeded in the trial's folder; what it says goes to `trial.log` there."""
    launch = ["mlops_runtime"]
    if processes > 1:
        launch = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "--module", *launch]
    with open(os.path.join(folder, LOG), "ab") as log:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", *launch, command],
            cwd=folder,
            env=surroundings,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return done.returncode == 0


def _reported(folder: str, metric: str) -> float | None:
    """The metric in a report of the trial; not a number for one that is there and is none."""
    for path in (files.EVALUATION, files.TRAINING):
        try:
            with open(os.path.join(folder, path), encoding="utf-8") as stream:
                report = json.load(stream)
        except (OSError, ValueError):
            continue
        if metric in report:
            value = report[metric]
            return float(value) if isinstance(value, int | float) else math.nan
    return None


def _best(study: optuna.Study, wanted: Space) -> Best:
    from optuna.trial import TrialState

    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    failed = states.count(TrialState.FAIL)
    if TrialState.COMPLETE not in states:
        raise Mistaken(f"none of {failed} trials worked: see {FOLDER}/trial-*/{LOG}")
    trial = study.best_trial
    return Best(
        wanted.metric,
        trial.number,
        float(trial.value or 0),
        dict(trial.params),
        states.count(TrialState.COMPLETE),
        failed,
    )


def _say(number: int, values: Mapping[str, Any], metric: str, value: float | None) -> None:
    shown = ", ".join(
        f"{name} {item:g}" if isinstance(item, float) else f"{name} {item}" for name, item in values.items()
    )
    result = f"failed, see {FOLDER}/trial-{number}/{LOG}" if value is None else f"{metric} {value:.6g}"
    print(f"trial {number}: {shown}: {result}", file=sys.stderr, flush=True)
