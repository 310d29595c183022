"""`mlopsgen plan`: which field has which effects, what it costs, when it fails."""

from __future__ import annotations

import json

import pytest

from mlopsgen.review.plan import counted
from tests.review.conftest import Repository

GPU = """\
serving: {resources: {gpu: 2}, replicas: {min: 2, max: 4}, cost: {gpu_hour: 2.5, currency: EUR}}
training: {resources: {gpu: 4}}
environments:
  staging: {branch: dev, serving: {replicas: 1}}
  production: {branch: main}
"""


def fields(told: dict) -> dict[str, str]:  # type: ignore[type-arg]
    return {row["path"]: field["class"] for field in told["plans"][0]["fields"] for row in field["changes"]}


def test_each_field_with_its_class_and_line_worst_first(built: Repository) -> None:
    built.edit("training: {epochs: 2}\nserving: {queue: 32}\nx-note: 1\n")
    code, told = built.json("plan")
    assert code == 0
    assert list(fields(told).items()) == [("serving", "restart"), ("training", "retrain")]
    plan = told["plans"][0]
    assert [row["line"] for field in plan["fields"] for row in field["changes"]] == [8, 7]
    assert plan["counts"]["restart"] == 2
    assert plan["counts"]["retrain"] == 3
    assert plan["inputs"]["base"]["commit"] == built.git("rev-parse", "HEAD")
    for side in ("base", "head"):
        assert {len(plan["inputs"][side][key]) for key in ("spec_digest", "output_digest")} == {32}
    assert plan["inputs"]["base"]["output_digest"] != plan["inputs"]["head"]["output_digest"]


def test_nothing_changes(small: Repository) -> None:
    code, out, err = small.run("plan")
    assert (code, err) == (0, "")
    assert out == f"mlops.yaml against HEAD ({small.git('rev-parse', 'HEAD')[:12]}): nothing changes\n"
    small.edit("# a comment\nx-mine: 2\n")
    assert small.run("plan")[1] == out


def test_a_field_that_changes_no_output_is_said(small: Repository) -> None:
    small.edit("serving: {replicas: 2}\n")
    small.commit()
    spec = small.folder / "mlops.yaml"
    spec.write_text(spec.read_text().replace("replicas: 2", "replicas: {min: 2}"))
    code, out, _ = small.run("plan", "--fail-on", "configuration")
    assert code == 0
    assert "1 field changes no output" in out
    assert "nothing  serving.replicas" in out


@pytest.mark.parametrize(
    ("limit", "code"), [("recreate", 0), ("restart", 1), ("reload", 1), ("retrain", 1), ("configuration", 1)]
)
def test_fail_on_a_class_or_a_worse_one(limit: str, code: int, small: Repository) -> None:
    small.edit("serving: {queue: 32}\n")
    assert small.run("plan", "--fail-on", limit)[0] == code


def test_an_unknown_class(small: Repository) -> None:
    code, _, err = small.run("plan", "--fail-on", "disaster")
    assert code == 2
    assert "recreate" in err


def test_fields_that_are_valid_only_together(small: Repository) -> None:
    spec = small.folder / "mlops.yaml"
    text = spec.read_text()
    old = next(line for line in text.splitlines() if "architecture:" in line)
    spec.write_text(text.replace(old, "  base: acme/tiny") + "serving: {queue: 32}\n")
    code, told = small.json("plan")
    assert code == 0
    groups = [[row["path"] for row in field["changes"]] for field in told["plans"][0]["fields"]]
    assert sorted(map(sorted, groups)) == [["model.architecture", "model.base"], ["serving"]]
    assert "valid only together" in small.run("plan")[1]


def test_what_changes_only_in_combination_is_said(built: Repository) -> None:
    built.edit("serving: {engine: vllm}\n")
    built.commit()
    spec = built.folder / "mlops.yaml"
    replaced = "serving: {engine: vllm, requirements: serve.txt}\ntraining: {requirements: serve.txt}\n"
    spec.write_text(spec.read_text().replace("serving: {engine: vllm}\n", replaced))
    _, told = built.json("plan")
    assert set(fields(told)) == {"serving.requirements", "training"}
    plan = told["plans"][0]
    assert isinstance(plan["together"], list)
    assert isinstance(plan["cancelled"], list)


def test_changes_that_cancel_out_are_said(built: Repository) -> None:
    built.edit("targets: {docs: true}\nmonitoring: {alerts: {error_rate: {max: 5%}}}\n")
    built.commit()
    spec = built.folder / "mlops.yaml"
    spec.write_text(spec.read_text().replace("docs: true", "docs: false").replace("max: 5%", "max: 4%"))
    _, told = built.json("plan")
    # The runbook that the limit stands in goes anyway.
    assert any("docs/runbooks/ModelErrorRateHigh.md: " in row for row in told["plans"][0]["cancelled"])
    assert "would change by one field alone and stay as they are" in built.run("plan")[1]


def test_costs_by_environment_and_of_a_run(small: Repository) -> None:
    small.edit(GPU)
    small.commit()
    spec = small.folder / "mlops.yaml"
    spec.write_text(
        spec.read_text()
        .replace("min: 2, max: 4", "min: 3, max: 4")
        .replace("{gpu: 4}", "{gpu: 8}")
        .replace("2.5,", "3,")
    )
    _, out, _ = small.run("plan")
    assert "staging: 3,600 EUR → 4,320 EUR a month for 2 GPUs (+720 EUR)" in out
    assert "production: 7,200 to 14,400 EUR → 12,960 to 17,280 EUR a month for 4 to 8 GPUs → 6 to 8 GPUs" in out
    assert "training: a run holds 4 GPUs → 8 GPUs; no run is known yet" in out
    report = small.folder / "reports" / "training.json"
    report.parent.mkdir()
    report.write_text(json.dumps({"seconds": 7200}))
    assert "training: a run holds 4 GPUs → 8 GPUs, 8 → 16 GPU-hours if" in small.run("plan")[1]
    report.write_text("[]")
    assert "no run is known yet" in small.run("plan")[1]
    assert small.json("plan")[1]["plans"][0]["cost"]["training"] == [
        {"gpus": 4, "hours": None},
        {"gpus": 8, "hours": None},
    ]


def test_without_a_price_or_a_gpu_that_is_said(small: Repository) -> None:
    small.edit("serving: {queue: 32}\n")
    assert "staging: no GPUs\n" in small.run("plan")[1]
    small.edit("")
    spec = small.folder / "mlops.yaml"
    spec.write_text(spec.read_text().replace("{queue: 32}", "{resources: {gpu: 1}}"))
    assert "no price is given (serving.cost.gpu_hour)" in small.run("plan")[1]


def test_an_overlay_names_its_environment(small: Repository) -> None:
    small.edit(GPU)
    small.commit()
    spec = small.folder / "mlops.yaml"
    spec.write_text(spec.read_text().replace("serving: {replicas: 1}", "serving: {replicas: 3}"))
    _, told = small.json("plan")
    (field,) = told["plans"][0]["fields"]
    assert field["changes"][0]["environment"] == "staging"
    assert {effect["environment"] for effect in field["effects"]} == {"staging"}
    assert field["effects"][0]["text"] == "docstrings-champion runs 3 pods, before 1 pod"


def test_markdown_holds_no_markup_of_the_spec(built: Repository) -> None:
    built.edit('ci: {schedule: "0 3 * * 0", quality: {lint: "a | b `c` <d>"}}\n')
    code, out, _ = built.run("plan", "--format", "markdown")
    assert code == 0
    assert out.startswith("### mlops.yaml against HEAD")
    rows = [row for row in out.splitlines() if row.startswith("| ")]
    assert len(rows) == 2
    assert all(row.replace("\\|", "").count("|") == 5 for row in rows)


def test_counts_agree_in_number() -> None:
    assert counted({"restart": 1, "reload": 2}) == ["1 pod is replaced", "2 servers load their model again"]
