"""`mlops-runtime prepare`: what comes in, what is left out, and where the rest goes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlops_runtime.data import overlap as overlap_module
from mlops_runtime.data import prepare as module
from mlops_runtime.data.overlap import Overlap
from mlops_runtime.data.prepare import prepare
from mlops_runtime.errors import Mistaken

from tests.runtime.data.conftest import COLUMNS, Folder

Sentences = Callable[..., str]


def made(sentences: Sentences, count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"prompt": sentences(12), "response": sentences(20), **more} for _ in range(count)]


def both(folder: Folder) -> dict[str, str]:
    """Side by prompt."""
    return {r["prompt"]: name for name in ("train", "validation") for r in folder.part(name)}


def test_what_comes_out(folder: Folder, sentences: Sentences) -> None:
    records = made(sentences, 300, module="ignored")
    records[3]["prompt"] = f"  {records[3]['prompt']}\n"
    records += [records[0], {**records[1], "response": records[1]["response"].upper()}]
    records += [{"prompt": "alone"}, {"prompt": 5, "response": "b"}]
    folder.parameters()
    folder.raw(records)
    folder.write("data/raw/wrong.jsonl", "{no json\n")
    done = folder.run("prepare")
    assert (done.returncode, done.stderr) == (0, "")
    report = folder.report("preparation")
    dropped = {reason: count for reason, count in report["dropped"].items() if count}
    assert dropped == {"unreadable": 1, "missing": 1, "wrong_type": 1, "duplicate": 1, "near_duplicate": 1}
    assert (report["records"], report["kept"]) == (305, 300)
    assert f"305 records: {report['train']} for training, {report['validation']} for validation" in done.stdout
    assert report["train"] + report["validation"] == 300
    assert 30 < report["validation"] < 90
    train = folder.part("train")
    assert set(train[0]) == {"id", "prompt", "response"}
    assert len({each["id"] for each in train + folder.part("validation")}) == 300
    assert records[3]["prompt"].strip() in both(folder)
    for name in ("train", "validation"):
        content = (folder.path / f"data/processed/{name}.jsonl").read_bytes()
        assert report["sha256"][name] == hashlib.sha256(content).hexdigest()
    assert sorted(each.name for each in (folder.path / "data/processed").iterdir()) == [
        "train.jsonl",
        "validation.jsonl",
    ]


def test_the_same_again_is_the_same(folder: Folder, sentences: Sentences) -> None:
    folder.parameters()
    folder.raw(made(sentences, 60))
    prepare()
    before = folder.report("preparation"), folder.part("train")
    prepare()
    assert (folder.report("preparation"), folder.part("train")) == before


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 40), st.integers(0, 40), st.randoms(use_true_random=False))
def test_new_data_and_another_order_move_no_record(
    folder: Folder, sentences: Sentences, first: int, last: int, order: Any
) -> None:
    old = [{"prompt": sentences(12, seed=f"p{i}"), "response": sentences(12, seed=f"r{i}")} for i in range(60)]
    folder.parameters()
    folder.raw(old)
    prepare()
    before = both(folder)
    order.shuffle(old)
    folder.raw([*made(sentences, first), *old, *made(sentences, last)])
    prepare()
    after = both(folder)
    assert len(after) == 60 + first + last
    assert all(after[prompt] == side for prompt, side in before.items())


def test_groups_stay_together_and_a_prompt_of_training_is_no_test(folder: Folder, sentences: Sentences) -> None:
    who = {**COLUMNS, "customer": {"type": "category", "role": "group", "required": False, "blank": True}}
    records = [{**each, "customer": i % 40} for i, each in enumerate(made(sentences, 400))]
    for i in range(40):
        records.append({"prompt": "How do I reset my password?", "response": sentences(20), "customer": i})
    folder.parameters(columns=who, split={"validation": 0.2, "seed": 1, "group_by": "customer"})
    folder.raw(records)
    assert prepare() == 0
    parts = {name: {each["customer"] for each in folder.part(name)} for name in ("train", "validation")}
    assert parts["train"].isdisjoint(parts["validation"])
    assert len(parts["train"] | parts["validation"]) == 40
    assert folder.report("preparation")["dropped"]["in_both_parts"] == len(parts["validation"])
    assert "How do I reset my password?" not in {each["prompt"] for each in folder.part("validation")}


def test_answers_to_one_prompt_stay_together(folder: Folder, sentences: Sentences) -> None:
    prompts = [sentences(12) for _ in range(60)]
    folder.parameters()
    folder.raw([{"prompt": prompt, "response": sentences(20)} for prompt in prompts for _ in range(3)])
    prepare()
    report = folder.report("preparation")
    assert (report["kept"], report["groups"]) == (180, 60)
    sides = [{r["prompt"] for r in folder.part(name)} for name in ("train", "validation")]
    assert sides[0].isdisjoint(sides[1])


def test_duplicates_by_columns(folder: Folder, sentences: Sentences) -> None:
    folder.parameters(duplicates={"columns": ["prompt"], "max": 0.5})
    prompts = [sentences(12) for _ in range(30)]
    folder.raw([{"prompt": prompt, "response": sentences(20)} for prompt in prompts for _ in range(2)])
    prepare()
    assert folder.report("preparation")["dropped"]["duplicate"] == 30


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_other_formats_give_the_same_parts(format: str, folder: Folder, sentences: Sentences) -> None:
    records = made(sentences, 40)
    folder.parameters()
    folder.raw(records)
    prepare()
    expected = folder.part("train"), folder.part("validation")
    (folder.path / "data/raw/records.jsonl").unlink()
    if format == "csv":
        rows = "".join(f'"{each["prompt"]}","{each["response"]}"\n' for each in records)
        folder.write("data/raw/records.csv", "prompt,response\n" + rows)
    else:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), folder.path / "data/raw/records.parquet")
    folder.parameters(format=format)
    prepare()
    assert (folder.part("train"), folder.part("validation")) == expected


def test_mistakes_say_what_to_do(folder: Folder, sentences: Sentences) -> None:
    folder.parameters()
    done = folder.run("prepare")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "there is no data/raw" in done.stderr
    folder.raw([{"prompt": "a"}])
    with pytest.raises(Mistaken, match=r"no record is left \(1 missing\)"):
        prepare()
    folder.raw([{"prompt": "a", "response": "b"}])
    with pytest.raises(Mistaken, match="cannot be split"):
        prepare()
    template = "Classify the ticket below into one of the known classes and answer with its name alone. " * 4
    folder.raw([{"prompt": template + sentences(9), "response": sentences(20)} for _ in range(100)])
    with pytest.raises(Mistaken, match="100 of 100 records begin alike"):
        prepare()
    folder.parameters(split={"validation": 0.2, "seed": 1, "group_by": "prompt"})
    assert prepare() == 0
    assert not (folder.path / module.SPOOL).exists()


def test_parts_that_overlap_all_the_same_are_refused(
    folder: Folder, sentences: Sentences, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check is independent of the split: here the split is made to leak."""
    prompts = [sentences(12) for _ in range(40)]
    folder.parameters()
    folder.raw([{"prompt": prompt, "response": sentences(20)} for prompt in prompts for _ in range(2)])
    monkeypatch.setattr(module.splitting, "sides", lambda groups, share, seed: [i % 2 for i in range(len(groups))])
    monkeypatch.setattr(module._Intake, "_refuse_template", lambda *_: None)
    monkeypatch.setattr(module.known, "prompt_key", lambda values, columns: None)
    assert prepare() == 1
    assert (
        "same group: 40 records of validation (lines of validation and training: 1 and 1, 2 and 2"
        in capsys.readouterr().err
    )
    assert folder.report("preparation")["overlap"]["group"] == 40
    assert list((folder.path / "data/processed").iterdir()) == []


def test_near_duplicates_that_only_the_parts_show_leave_validation(
    folder: Folder, sentences: Sentences, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first pass misses (here: all of it) is seen when the parts are compared."""
    calls = []
    monkeypatch.setattr(module, "clusters", lambda sketches, text: calls.append(1) or list(range(len(sketches))))
    folder.parameters()
    twice = made(sentences, 40)
    again = [{"prompt": "Please: " + each["prompt"], "response": each["response"]} for each in twice]
    folder.raw([*twice, *again])
    assert prepare() == 0
    report = folder.report("preparation")
    assert calls == [1]
    assert report["overlap"] == {"prompt": 0, "near_duplicate": 0, "group": 0}
    assert report["dropped"]["near_duplicate"] == 80 - report["kept"] > 0


COLUMN_SET = {**COLUMNS, "customer": {"type": "category", "role": "group", "required": False, "blank": True}}


def found(
    folder: Folder, leaks: list[dict[str, Any]], rest: list[dict[str, Any]], train: list[dict[str, Any]]
) -> Overlap:
    folder.raw(train, "train.jsonl")
    folder.raw([*rest, *leaks], "validation.jsonl")
    return overlap_module.overlap("train.jsonl", "validation.jsonl", COLUMN_SET, "customer")


def test_planted_leakage_is_found(folder: Folder, sentences: Sentences) -> None:
    train = [{**each, "customer": f"t{i}"} for i, each in enumerate(made(sentences, 200))]
    rest = [{**each, "customer": f"v{i}"} for i, each in enumerate(made(sentences, 50))]
    assert not found(folder, [], rest, train)
    words = train[7]["response"].split()
    words[4] = "other"
    leaks = [
        {"prompt": train[5]["prompt"].upper() + "!", "response": sentences(20), "customer": "v90"},
        {"prompt": train[7]["prompt"], "response": " ".join(words), "customer": "v91"},
        {"prompt": sentences(12), "response": sentences(20), "customer": "t9"},
    ]
    result = found(folder, leaks, rest, train)
    assert result.counts == {"prompt": 2, "near_duplicate": 1, "group": 1}
    assert result.lines == {"prompt": [(51, 6), (52, 8)], "near_duplicate": [(52, 8)], "group": [(53, 10)]}
    assert result


def test_a_part_that_cannot_be_read(folder: Folder) -> None:
    folder.write("good.jsonl", json.dumps({"prompt": "a", "response": "b"}) + "\n")
    folder.write("bad.jsonl", "{}\n{\n")
    for path, message in (("nowhere.jsonl", "cannot be read"), ("bad.jsonl", r"bad\.jsonl:2: this is no JSON")):
        with pytest.raises(Mistaken, match=message):
            overlap_module.overlap("good.jsonl", path, COLUMN_SET, None)
