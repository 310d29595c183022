"""A run that stops anywhere goes on as if it had not."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from mlops_runtime.training.loop import Loop
from mlops_runtime.training.stop import STOPPED

from tests.runtime.training.conftest import forked, report, sections, seen, train, weights
from tests.runtime.training.test_exactness import difference, together

STEPS = 16
"""Of `sections()`: two epochs of 8 steps."""


def signalled(given: dict[str, Any], at: int, number: signal.Signals) -> int:
    """Train in a child that gets a signal after some step; its exit code."""

    def work() -> int:
        noted = Loop._note

        def note(self: Loop, step: int, *rest: Any) -> None:
            noted(self, step, *rest)
            if step + 1 == at:
                os.kill(os.getpid(), number)

        Loop._note = note  # type: ignore[method-assign]
        return train(given)

    return forked(work)


def same_as_uninterrupted(given: dict[str, Any]) -> None:
    """Weights, curve and order in the working directory are those of a run of its own that nothing stopped."""
    interrupted, rows, order = weights(), Path("reports/loss.csv").read_text(), seen()
    given["train"]["checkpoint"]["store"] = "elsewhere"
    assert train(given) == 0
    assert seen("elsewhere") == order
    assert sorted(order) == list(range(report()["steps"].__int__()))
    assert difference(interrupted, weights()) == 0.0
    assert Path("reports/loss.csv").read_text() == rows


@pytest.mark.parametrize(
    ("adapter", "packing"),
    [
        (False, True),
        (True, False),
        pytest.param(False, False, marks=pytest.mark.slow),
        pytest.param(True, True, marks=pytest.mark.slow),
    ],
)
def test_killed_in_the_second_epoch_and_started_again(adapter: bool, packing: bool, project: Path) -> None:
    model = {}
    if adapter:
        assert train(sections(epochs=0.3, checkpoint={"store": "first"})) == 0
        (project / "models/model").rename(project / "base")
        lora = {"type": "lora", "r": 4, "alpha": 8, "dropout": 0.2}
        model = {"architecture": None, "base": "base", "adapter": lora}
    size = 2 if packing else 8
    given = sections(model=model, packing=packing, batch_size=size, checkpoint={"every": 3, "keep": 1})
    at = random.randrange(STEPS // 2 + 1, STEPS)
    assert signalled(given, at, signal.SIGKILL) == -signal.SIGKILL, f"at step {at}"
    assert not Path("models/model").exists()
    assert train(given) == 0
    same_as_uninterrupted(given)


def test_killed_again_and_again(project: Path) -> None:
    given = sections(checkpoint={"every": 2})
    for at in (3, 5, 6, 9, 14):
        assert signalled(given, at, signal.SIGKILL) == -signal.SIGKILL
    assert train(given) == 0
    same_as_uninterrupted(given)


def test_sigterm_saves_at_the_end_of_the_step(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    given = sections(checkpoint={"every": 100})
    assert signalled(given, 11, signal.SIGTERM) == STOPPED == 143
    assert "stopped by SIGTERM after step 11 of 16; the state is saved" in capfd.readouterr().err
    assert train(given) == 0
    assert "resumed after step 11\n" in capfd.readouterr().err
    same_as_uninterrupted(given)


def test_sigterm_during_a_validation_saves_before_it_ends(project: Path) -> None:
    given = sections(checkpoint={"every": 5})

    def work() -> int:
        validate = Loop.validate

        def interrupted(self: Loop, *arguments: Any) -> Any:
            if self.state.step == 10:
                os.kill(os.getpid(), signal.SIGTERM)
            return validate(self, *arguments)

        Loop.validate = interrupted  # type: ignore[method-assign]
        return train(given)

    assert forked(work) == STOPPED
    assert forked(work) == STOPPED, "nothing new to save, and it still goes"
    assert train(given) == 0
    same_as_uninterrupted(given)


def test_a_finished_run_is_not_trained_again(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import shutil

    given = sections()
    assert train(given) == 0
    before, numbers = weights(), report()
    shutil.rmtree("models")
    shutil.rmtree("reports")
    assert train(given) == 0
    assert "this run was finished before: nothing to train" in capfd.readouterr().err
    assert difference(before, weights()) == 0.0
    assert {k: v for k, v in report().items() if k != "peak_memory_bytes"} == {
        k: v for k, v in numbers.items() if k != "peak_memory_bytes"
    }


def test_other_parameters_or_data_start_anew_and_saving_more_often_does_not(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = sections(checkpoint={"every": 3})
    assert signalled(given, 10, signal.SIGKILL) == -signal.SIGKILL
    assert signalled(sections(checkpoint={"every": 4}), 11, signal.SIGKILL) == -signal.SIGKILL
    assert "resumed after step 9" in capfd.readouterr().err
    assert signalled(sections(learning_rate=0.02), 2, signal.SIGKILL) == -signal.SIGKILL
    assert "resumed" not in capfd.readouterr().err
    path = project / "data/processed/train.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert signalled(given, 2, signal.SIGKILL) == -signal.SIGKILL
    assert "resumed" not in capfd.readouterr().err
    assert len(list((project / "checkpoints").iterdir())) == 1, "only the first got as far as a checkpoint"


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2), pytest.param(3, 2, marks=pytest.mark.slow)])
def test_it_goes_on_with_another_number_of_processes(before: int, after: int, project: Path) -> None:
    given = sections(checkpoint={"every": 5, "keep": 3})
    assert together(before, given) == [0] * before
    (run,) = (project / "checkpoints").iterdir()
    for entry in run.glob("step-*"):
        facts = json.loads((entry / "state.json").read_text())
        if facts["step"] > 10:
            for file in entry.iterdir():
                file.unlink()
            entry.rmdir()
    for log in run.glob("samples-*"):
        if int(log.stem.split("-")[1]) >= 10:
            log.unlink()
    assert together(after, given) == [0] * after
    interrupted, order = weights(), seen()
    given["train"]["checkpoint"]["store"] = "elsewhere"
    assert train(given) == 0
    assert seen("elsewhere") == order
    assert difference(interrupted, weights()) < 1e-4


def test_the_best_is_kept_and_exported(project: Path) -> None:
    given = sections(epochs=12.0, checkpoint={"every": 1000, "keep": 1})
    assert train(given) == 0
    found = report()
    assert found["best_step"] < found["steps"], "it learned by heart at the end"
    (run,) = (project / "checkpoints").iterdir()
    steps = sorted(int(entry.name.split("-")[1]) for entry in run.glob("step-*"))
    assert steps == [found["best_step"], found["steps"]]
    rows = [line.split(",") for line in Path("reports/loss.csv").read_text().splitlines()[1:]]
    losses = {int(step): float(loss) for step, _, loss in rows if loss}
    assert min(losses, key=losses.__getitem__) == found["best_step"]
    assert found["val_loss"] == pytest.approx(min(losses.values()), abs=1e-6)


def test_a_loss_that_is_not_finite_stops_and_the_state_before_it_stays(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from mlops_runtime.training.scoring import Ragged

    given = sections(checkpoint={"every": 100})

    def work() -> int:
        forward, calls = Ragged.forward, [0]

        def broken(self: Ragged, batch: Any, apart: bool = False) -> Any:
            calls[0] += not apart
            found = forward(self, batch, apart)
            return found * float("nan") if calls[0] == 7 and not apart else found

        Ragged.forward = broken  # type: ignore[method-assign]
        return train(given)

    assert forked(work) == 1
    said = capfd.readouterr().err
    assert "training failed: the loss is nan in step 7 of 16 (records " in said
    assert "Lower `training.learning_rate`" in said
    assert "Traceback" not in said
    assert not Path("models/model").exists()
    assert train(given) == 0, "without the fault it goes on"
    assert "resumed after step 6\n" in capfd.readouterr().err
    same_as_uninterrupted(given)
