"""`mlops-runtime train`: from the processed parts to `models/model`, resumed where an earlier try stopped."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mlops_runtime import parameters, tracking
from mlops_runtime.errors import Mistaken
from mlops_runtime.models import quieten
from mlops_runtime.training import inputs, networks, ranks, reports, settings
from mlops_runtime.training.checkpoints import Checkpoints
from mlops_runtime.training.loop import Diverged, Loop, State, glance
from mlops_runtime.training.stop import STOPPED, Interrupted, Stop
from mlopsgen.contract import files

if TYPE_CHECKING:
    from mlops_runtime.tracking import Tracker
    from mlops_runtime.training.inputs import Inputs
    from mlops_runtime.training.ranks import Ranks
    from mlops_runtime.training.settings import Settings

DONE, FAILED = 0, 1
"""Exit codes: finished; the loss is not finite or a checkpoint cannot be written. After SIGTERM it is `STOPPED`."""


def run(sections: Mapping[str, Any] | None = None, tracker: Tracker | None = None) -> int:
    """Train in the working directory's project.

    Args:
        sections: `data`, `model` and `train` as in `params.yaml`, which is read when they are not given.
        tracker: that is told, by the first process; the project's own when not given.

    Returns:
        `DONE`, `FAILED` or `STOPPED`, which is also the command's exit code.

    Raises:
        Mistaken: parameters, data, base or machine do not fit.
    """
    given = parameters.read(*settings.SECTIONS) if sections is None else sections
    asked = settings.read(given)
    resources = settings.resources()
    gpu = ranks.demand(None if resources is None else resources.gpu)
    quieten()
    with ranks.joined(gpu, asked.training.precision) as group, tempfile.TemporaryDirectory(prefix="mlops-") as folder:
        made = inputs.made(asked, group, folder)
        loop = assembled(asked, made, group)
        try:
            if group.main:
                loop.meter.start()
            with _tracked(given, asked, made, loop, tracker) as loop.tracker, Stop().heard() as stop:
                loop.run(stop)
                _finish(asked, made, loop, given["data"]["columns"])
        except Interrupted as stopped:
            loop.progress.say(stopped.text)
            return STOPPED
        except (Diverged, OSError) as failed:
            loop.progress.say(f"training failed: {failed}")
            return FAILED
        finally:
            loop.progress.close()
            loop.meter.close()
    return DONE


@contextmanager
def _tracked(
    given: Mapping[str, Any], asked: Settings, made: Inputs, loop: Loop, tracker: Tracker | None
) -> Iterator[Tracker]:
    if tracker is not None:
        yield tracker
        return
    data = {
        part: tracking.Dataset(path, made.data[part]["sha256"], made.data[part]["records"])
        for part, path in inputs.PARTS.items()
    }
    sections = {name: given[name] for name in ("model", "train")}
    with tracking.start(
        "train",
        sections,
        datasets=data,
        spec_digest=asked.spec_digest,
        identity=made.run,
        resumed=loop.state.step > 0,
    ) as found:
        found.log_parameters({"processes": loop.ranks.size, "device": str(loop.ranks.device.type)})
        found.watch(loop.scorer)
        yield found


def assembled(asked: Settings, made: Inputs, group: Ranks) -> Loop:
    """Everything that a run consists of, in the state in which the newest checkpoint left it.

    Raises:
        Mistaken: base, packing or machine do not fit.
    """
    from mlops_runtime.training.flops import arithmetic, peak
    from mlops_runtime.training.memory import compiled, token_budget
    from mlops_runtime.training.meter import Meter
    from mlops_runtime.training.optimization import Stepper
    from mlops_runtime.training.plan import Plan
    from mlops_runtime.training.progress import Progress
    from mlops_runtime.training.scoring import scorer
    from mlops_runtime.training.stores import opened

    training, tokenizer = asked.training, made.rendering.tokenizer
    network = networks.built(asked, made.base, tokenizer, made.rendering.labels)
    model = scorer(network, asked.task, tokenizer.pad_token_id)
    if training.packing and model.padded:
        raise Mistaken(
            f"`training.packing: true`, and the attention of {network.config.model_type} cannot be kept inside of "
            "records that share a sequence: turn it off"
        )
    work = arithmetic(network)
    compiled(model, group)
    ranks.settle(model, group, training.precision)
    model.train()
    budget = token_budget(model, made.training, group)
    plan = Plan(made.training.lengths, training)
    stepper = Stepper(model, training, group.device.type)
    place = f"{training.checkpoint.store.rstrip('/')}/{made.run}"
    checkpoints = Checkpoints(opened(place), training.checkpoint.keep, group)
    facts = checkpoints.resume(model, stepper.optimizer)
    state = State(**{k: v for k, v in facts.items() if k in State.__annotations__}) if facts else State()
    if state.scaler:
        stepper.scaler.load_state_dict(state.scaler)
    most = peak(group.device, training.precision)
    progress = Progress(plan.steps, state.step, work, most and most * group.size, group.main)
    _announce(made, plan.steps, network, state, progress)
    return Loop(
        training=training,
        ranks=group,
        scorer=model,
        stepper=stepper,
        plan=plan,
        examples=made.training,
        validation=made.validation,
        checkpoints=checkpoints,
        tracker=tracking.NullTracker(),
        progress=progress,
        meter=Meter(asked.model.name or "model", plan.steps),
        state=state,
        budget=budget,
        glance=glance(len(made.validation), training),
    )


def _finish(asked: Settings, made: Inputs, loop: Loop, columns: Mapping[str, Any]) -> None:
    """Keep the best model: load it, score it on the whole validation part, write it and the reports."""
    import numpy as np

    from mlops_runtime.data import reference
    from mlops_runtime.data.atomic import write_json
    from mlops_runtime.data.features import FILE
    from mlops_runtime.training import export

    state, tokenizer = loop.state, made.rendering.tokenizer
    if state.best["step"] != state.step and loop.checkpoints.load(state.best["entry"], loop.scorer) is None:
        raise OSError(
            f"the best checkpoint ({state.best['entry']}) is damaged: delete the run's folder and train again"
        )
    scores = loop.validate(np.arange(len(made.validation)))
    assert scores is not None
    counts = {FILE: partial(reference.keep, columns=columns)}
    export.write(files.MODEL, loop.scorer, tokenizer, _info(asked, made), loop.ranks, asked.training.precision, counts)
    if not loop.ranks.main:
        return
    classes = asked.task == "text-classification"
    unigram = reports.unigram_loss(
        made.training, made.validation, len(made.rendering.labels) if classes else len(tokenizer), classes
    )
    found = reports.numbers(state, scores, unigram, asked.training.epochs, classes)
    found["peak_memory_bytes"] = reports.peak_memory(loop.ranks.device)
    if loop.progress.mfu is not None:
        found["mfu"] = round(loop.progress.mfu, 4)
    reports.curve(state.rows)
    reports.picture(state.rows, unigram)
    write_json(files.TRAINING, found)
    loop.tracker.log_metrics(found, state.step)
    for path in (files.LOSS_PICTURE, files.LOSS, files.TRAINING, f"{files.MODEL}/{FILE}"):
        loop.tracker.log_artifact(path)
    loop.tracker.log_model(files.MODEL)
    against = f"{'class frequencies' if classes else 'a unigram model'}: {unigram:.4f}"
    best = f"after step {state.best['step']} of {state.step}"
    click.echo(f"{files.MODEL}: {best}, validation loss {found['val_loss']:.4f} ({against})")


def _info(asked: Settings, made: Inputs) -> dict[str, Any]:
    from mlops_runtime.preprocessing import Preprocessing

    return {
        "name": asked.model.name,
        "task": asked.task,
        "preprocessing": Preprocessing(asked.model.preprocess).identity(),
        "rendering": made.rendering.identity(),
        "base": made.base.name,
        "revision": made.base.revision,
        "base_digest": made.base.digest,
        "max_length": asked.training.max_length,
        "data": made.data,
        "spec_digest": asked.spec_digest,
        "run": made.run,
    }


def _announce(made: Inputs, steps: int, network: Any, state: State, progress: Any) -> None:
    total = sum(p.numel() for p in network.parameters())
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    weights = f"{total:,} weights" if total == trained else f"{trained:,} of {total:,} weights"
    progress.say(f"{len(made.training):,} records, {steps:,} steps, {weights}, run {made.run}")
    for part, path in inputs.PARTS.items():
        if count := made.data[part]["left_out"]:
            progress.say(f"{path}: {count} records left out: cut at `training.max_length`, they have no answer")
    if state.finished:
        progress.say("this run was finished before: nothing to train")
    elif state.step:
        progress.say(f"resumed after step {state.step}")
