"""`mlops-runtime evaluate`, on models that the runtime has trained."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlops_runtime.errors import Mistaken
from mlops_runtime.evaluation import losses, metrics
from mlops_runtime.tracking import server

from mlopsgen.contract.evaluation import METRICS
from tests.runtime.evaluation.trained import TASKS, gated, kept, learned, params, ran, report, tracked
from tests.runtime.training.conftest import record, sections

Project = Callable[[str], Path]


def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("data/processed/validation.jsonl").read_text().splitlines()]


def predictions(run_id: str) -> dict[str, Any]:
    client = server.client()
    found: dict[str, Any] = json.loads(Path(client.download_artifacts(run_id, "predictions.json")).read_text())
    return found


@pytest.mark.parametrize("task", TASKS)
def test_it_finds_what_the_trainer_found(task: str, trained: Project) -> None:
    trained(task)
    found, said = ran("evaluate")
    training = json.loads(Path("reports/training.json").read_text())
    assert set(METRICS[task]) <= set(found)
    for name in set(METRICS[task]) & set(training):
        assert found[name] == pytest.approx(training[name], abs=1e-6), name
    baseline = "prior_loss" if task == "text-classification" else "unigram_loss"
    assert found[baseline] == training[baseline]
    assert found["records"] == 30
    assert said.startswith(f"reports/evaluation.json: loss {found['val_loss']:.4f}, ")
    assert f"{training[baseline]:.4f}" in said
    assert f"accuracy {found['val_accuracy']:.2%}" in said
    assert said.endswith(" on 30 records\n")
    scores = losses.read("reports/evaluation.npz")
    assert scores.id.tolist() == sorted(int(record(number)["id"], 16) for number in range(60, 90))
    assert scores.nll.sum() / scores.tokens.sum() == pytest.approx(found["val_loss"], abs=1e-9)
    assert scores.correct.sum() / scores.tokens.sum() == found["val_accuracy"]


def test_perplexity_and_accuracy_are_those_of_a_plain_loop(trained: Project) -> None:
    """One record at a time through transformers' own model; targets by characters of the template's text."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    trained("instruction-tuning")
    found, _ = ran("evaluate")
    tokenizer = AutoTokenizer.from_pretrained("models/model")
    model = AutoModelForCausalLM.from_pretrained("models/model").eval()
    scores = losses.read("reports/evaluation.npz")
    nll, right, count = 0.0, 0, 0
    for one in records():
        chat = [{"role": "user", "content": one["prompt"]}, {"role": "assistant", "content": one["response"]}]
        before = tokenizer.apply_chat_template(chat[:1], tokenize=False, add_generation_prompt=True)
        text = tokenizer.apply_chat_template(chat, tokenize=False)
        row = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        targets = [at for at, (start, _) in enumerate(row["offset_mapping"]) if start >= len(before)]
        with torch.no_grad():
            logs = model(torch.tensor([row["input_ids"]])).logits[0].double().log_softmax(1)
        mine = -sum(float(logs[at - 1, row["input_ids"][at]]) for at in targets)
        hits = sum(int(logs[at - 1].argmax()) == row["input_ids"][at] for at in targets)
        (place,) = np.flatnonzero(scores.id == int(one["id"], 16))
        assert scores.nll[place] == pytest.approx(mine, rel=1e-5)
        assert (scores.tokens[place], scores.correct[place]) == (len(targets), hits)
        nll, right, count = nll + mine, right + hits, count + len(targets)
    assert found["tokens"] == count
    assert found["val_perplexity"] == pytest.approx(math.exp(nll / count), rel=1e-6)
    assert found["val_accuracy"] == right / count
    assert found["val_loss"] < found["unigram_loss"]


def test_classes_are_scored_as_by_hand(trained: Project) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    trained("text-classification")
    found, _ = ran("evaluate")
    tokenizer = AutoTokenizer.from_pretrained("models/model")
    model = AutoModelForSequenceClassification.from_pretrained("models/model").eval()
    labels, predicted = [], []
    for one in records():
        with torch.no_grad():
            logits = model(**tokenizer(one["text"], return_tensors="pt")).logits
        predicted.append(model.config.id2label[int(logits.argmax())])
        labels.append(one["label"])
    pairs = list(zip(predicted, labels, strict=True))
    scores = []
    for name in sorted({*labels, *predicted}):
        hit = sum(one == other == name for one, other in pairs)
        given, said = labels.count(name), predicted.count(name)
        precision, recall = hit / said if said else 0.0, hit / given if given else 0.0
        scores.append((2 * hit / (given + said), precision, recall))
    f1, precision, recall = (sum(column) / len(scores) for column in zip(*scores, strict=True))
    assert found["val_accuracy"] == sum(one == other for one, other in pairs) / len(pairs)
    assert (found["val_f1"], found["val_precision"], found["val_recall"]) == pytest.approx((f1, precision, recall))


def test_a_class_that_is_never_predicted_has_precision_0() -> None:
    predicted, labels = np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1])
    found = metrics.classes(np.ones(4), predicted, labels)
    assert found["val_precision"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert found["val_recall"] == pytest.approx((1 + 1 + 0) / 3)


def test_the_run_of_the_model_keeps_all_and_stays_what_it_was(trained: Project) -> None:
    trained("instruction-tuning")
    run_id = tracked()
    client = server.client()
    before = client.get_run(run_id)
    found, _ = ran("evaluate")
    numbers, artifacts = kept(run_id)
    assert {name: numbers[name] for name in METRICS["instruction-tuning"]} == pytest.approx(
        {name: found[name] for name in METRICS["instruction-tuning"]}
    )
    assert numbers["tokens_per_second"] == 7
    assert {"evaluation.json", "evaluation.npz", "predictions.json", "validation.jsonl"} <= artifacts
    sampled = Path(client.download_artifacts(run_id, "validation.jsonl")).read_text().splitlines()
    by_id = {record["id"]: record for record in map(json.loads, sampled)}
    assert by_id == {record["id"]: record for record in records()}
    table = predictions(run_id)
    assert table["columns"] == ["id", "input", "prediction", "label"]
    assert [row[0] for row in table["data"]] == [one["id"] for one in records()[:10]]
    ran("evaluate")
    assert predictions(run_id) == table
    after = client.get_run(run_id)
    assert after.info == before.info
    assert {key: value for key, value in after.data.tags.items() if key != "mlflow.loggedArtifacts"} == before.data.tags
    assert client.get_metric_history(run_id, "val_loss")[0].step == 30


def test_sample_predictions_are_what_the_model_says(trained: Project) -> None:
    import torch
    from mlops_runtime import models
    from mlops_runtime.evaluation import samples
    from transformers import AutoModelForCausalLM, AutoTokenizer

    trained("instruction-tuning")
    loaded = models.load("models/model", "cpu")
    rows = samples.rows(loaded, records())
    tokenizer = AutoTokenizer.from_pretrained("models/model")
    model = AutoModelForCausalLM.from_pretrained("models/model").eval()
    for (_, asked, said, label), one in zip(rows[:3], records()[:3], strict=True):
        chat = [{"role": "user", "content": one["prompt"]}]
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")["input_ids"][
            0
        ].tolist()
        begin = len(ids)
        while len(ids) < begin + samples.NEW_TOKENS and ids[-1] != tokenizer.eos_token_id:
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        assert said == tokenizer.decode(ids[begin:], skip_special_tokens=True).strip()
        assert (asked, label) == (one["prompt"], one["response"])
    assert any(row[2] for row in rows)


@pytest.mark.parametrize("task", ["causal-lm", "text-classification"])
def test_samples_of_the_other_tasks(task: str, trained: Project) -> None:
    from mlops_runtime import models
    from mlops_runtime.evaluation import samples

    trained(task)
    rows = samples.rows(models.load("models/model", "cpu"), records())
    for row, one in zip(rows, records()[:10], strict=True):
        if task == "causal-lm":
            assert f"{row[1]} {row[3]}" == one["text"]
            assert row[2]
        else:
            assert (row[1], row[3]) == (one["text"], one["label"])
            assert row[2] in ("short", "long")


def test_without_a_run_nothing_is_tracked(trained: Project) -> None:
    trained("causal-lm")
    ran("evaluate")
    client = server.client()
    assert client.get_experiment_by_name("tiny") is None
    Path("mlflow.db").unlink()
    ran("evaluate")
    assert not Path("mlflow.db").exists()


def test_a_server_that_does_not_answer_costs_no_measurement(
    trained: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained("causal-lm")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    from mlops_runtime.evaluation.evaluate import evaluate

    assert evaluate()["val_loss"] == report("evaluation")["val_loss"]
    assert "does not answer" in capsys.readouterr().err


def test_an_artifact_store_that_fails_costs_no_measurement(
    trained: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient
    from mlops_runtime.evaluation.evaluate import evaluate

    trained("causal-lm")
    tracked()

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MlflowClient, "log_artifact", fails)
    assert evaluate()["val_loss"] == report("evaluation")["val_loss"]
    said = capsys.readouterr().err
    assert "tracking: reports/evaluation.npz not kept with the run: [Errno 28] No space left on device" in said


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_fails_every_gate(
    bad: float, trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlops_runtime.training import scoring

    usual = scoring.by_record

    def spoilt(*given: Any) -> Any:
        nll, right = usual(*given)
        nll[3] = bad
        return nll, right

    monkeypatch.setattr(scoring, "by_record", spoilt)
    trained("instruction-tuning")
    run_id = tracked()
    params(evaluate={"gates": {"val_loss": {"max": 1e9}, "val_perplexity": {"min": 0.0}, "val_accuracy": {"max": 1.0}}})
    found, said = ran("evaluate")
    assert found["val_loss"] == str(bad)
    assert f"loss {bad}" in said
    code, gates = gated()
    assert code == 1
    assert [gate["passed"] for gate in gates.values()] == [False, False, False]
    assert not kept(run_id)[0]["val_loss"] < 1e9
    assert not np.isfinite(losses.read("reports/evaluation.npz").nll).all()


def test_a_perplexity_beyond_doubles_is_infinite() -> None:
    found = metrics.language(np.array([1000.0]), np.array([0]), np.array([1]))
    assert found == {"val_loss": 1000.0, "val_perplexity": math.inf, "val_accuracy": 0.0}


def test_a_record_without_an_answer_is_left_out(trained: Project) -> None:
    trained("instruction-tuning")
    long = {"id": "00000000000000ff", "prompt": "one two three " * 200, "response": "four"}
    with Path("data/processed/validation.jsonl").open("a") as stream:
        stream.write(json.dumps(long) + "\n")
    found, said = ran("evaluate")
    assert (found["records"], found["left_out"]) == (30, 1)
    assert said.endswith(" on 30 records, 1 left out: no answer within `max_length`\n")


def test_without_the_training_report_there_is_no_baseline(trained: Project) -> None:
    trained("instruction-tuning")
    Path("reports/training.json").write_text("{")
    found, said = ran("evaluate")
    assert "unigram_loss" not in found
    assert "unigram" not in said


@pytest.mark.parametrize(
    ("section", "changed", "wanted"),
    [
        (
            "train",
            {"max_length": 64},
            "`train.max_length` is 64, and models/model was trained with 128: run `dvc repro",
        ),
        (
            "model",
            {"task": "causal-lm"},
            "`model.task` is causal-lm, and models/model was trained with instruction-tuning",
        ),
    ],
)
def test_a_model_of_other_parameters(section: str, changed: dict[str, Any], wanted: str, trained: Project) -> None:
    trained("instruction-tuning")
    given = json.loads(Path("params.yaml").read_text())
    params(**{section: given[section] | changed})
    with pytest.raises(Mistaken, match=wanted.replace(".", r"\.")):
        ran("evaluate")
    assert not Path("reports/evaluation.json").exists()


def test_what_is_not_there(trained: Project) -> None:
    trained("causal-lm")
    path = Path("data/processed/validation.jsonl")
    text = path.read_text()
    path.write_text(text + text.splitlines()[0] + "\n")
    with pytest.raises(Mistaken, match=r"validation\.jsonl has a record twice"):
        ran("evaluate")
    path.unlink()
    with pytest.raises(Mistaken, match="run `dvc repro prepare` first"):
        ran("evaluate")
    Path("models/model/mlops.json").unlink()
    with pytest.raises(Mistaken, match="run `dvc repro train`"):
        ran("evaluate")


def test_a_mistake_ends_with_exit_code_2(
    trained: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlops_runtime.__main__ import main

    trained("causal-lm")
    params(train={"max_length": 5})
    monkeypatch.setattr("sys.argv", ["mlops-runtime", "evaluate"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "params.yaml: `train.max_length` is 5" in capsys.readouterr().err


def test_an_adapter_is_judged_on_its_base(trained: Project) -> None:
    folder = trained("causal-lm")
    (folder / "models/model").rename(folder / "base")
    (folder / "base/mlops.json").unlink()
    adapter = {"type": "lora", "r": 2, "targets": "all-linear"}
    learned(sections("causal-lm", {"architecture": None, "base": "base", "adapter": adapter}, epochs=1.0))
    tracked()
    params(benchmark={"requests": 4, "concurrency": 2})
    found, _ = ran("evaluate")
    assert found["val_loss"] == pytest.approx(
        json.loads(Path("reports/training.json").read_text())["val_loss"], abs=1e-6
    )
    assert ran("benchmark")[0]["output_tokens_mean"] >= 1
