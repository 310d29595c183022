"""Every code of the catalogue is reported for its own mistake, at its place, and for nothing else."""

from __future__ import annotations

import fcntl
import json
import os
import re
from contextlib import nullcontext

import pytest

from mlopsgen.diagnostics.catalogue import CODES
from mlopsgen.diagnostics.catalogue.code import SMALLEST
from tests.conftest import ROOT

from .helpers import ACME, ACME_AT, ONLY_DVC, Case, Place

CASES: dict[str, Case] = {}
"""How each code without an example comes about: what was told, and what should have been."""

VERDICTS = {"E340", "E342", "W340", "W346"}
"""Codes that say no to what the input leads to; the input itself is right."""

WITH_EXAMPLE = [code for code in CODES.values() if code.example]
WITHOUT = [code for code in CODES.values() if not code.example]


def case(code: str):
    def keep(function: Case) -> Case:
        CASES[code] = function
        return function

    return keep


@case("E001")
def _missing(place: Place):
    return place.build(), [("E001", None, None)]


@case("E002")
def _pipe(place: Place):
    os.mkfifo(place.folder / "mlops.yaml")
    return place.build(), [("E002", None, None)]


@case("E003")
def _large(place: Place):
    place.spec(ONLY_DVC + "#" * 1024 * 1024)
    return place.build(), [("E003", None, None)]


@case("E004")
def _not_utf8(place: Place):
    place.spec("version: 1\nproject: {name: d\u00e4\u00e4".encode() + b"\xe4}\n")
    return place.build(), [("E004", 2, 20)]


@case("E005")
def _byte_order_mark(place: Place):
    place.spec("\ufeff" + ONLY_DVC)
    return place.build(), [("E005", 1, 1)]


@case("E006")
def _carriage_returns(place: Place):
    place.spec(ONLY_DVC.replace("}\n", "}\r\n", 1))
    return place.build(), [("E006", 2, 22)]


@case("W224")
def _useless_template(place: Place):
    (place.folder / "ops").mkdir()
    (place.folder / "ops" / "nothing.yaml").write_text("a: 1\n")
    place.spec(ONLY_DVC + "templates: ops\n")
    return place.build(), [("W224", 6, 12)]


@case("E231")
def _target_fails(place: Place):
    place.acme("raise RuntimeError('sorry')")
    place.spec(ACME)
    return place.build(), [("E231", *ACME_AT)]


@case("W301")
def _edited_and_stale(place: Place):
    place.spec(ONLY_DVC)
    assert place.build().exit == 0
    (place.folder / "dvc.yaml").write_text("mine: true\n")
    place.spec(ONLY_DVC.replace("targets: {", "targets: {dvc: false, "))
    return place.build(), [("W301", None, None)]


@case("E301")
def _not_ours(place: Place):
    place.spec(ONLY_DVC)
    (place.folder / "dvc.yaml").write_text("mine: true\n")
    return place.build(), [("E301", None, None)]


@case("E302")
def _edited(place: Place):
    place.spec(ONLY_DVC)
    assert place.build().exit == 0
    with (place.folder / "dvc.yaml").open("a") as stream:
        stream.write("mine: true\n")
    return place.build(), [("E302", None, None)]


@case("E303")
def _lock_is_binary(place: Place):
    place.spec(ONLY_DVC)
    (place.folder / "mlops.lock").write_bytes(b"\0")
    return place.build(), [("E303", None, None)]


@case("E304")
def _link(place: Place):
    place.spec(ONLY_DVC)
    (place.folder / "dvc.yaml").symlink_to(place.folder / "elsewhere")
    return place.build(), [("E304", None, None)]


@case("E305")
def _outside(place: Place):
    place.acme("return [File(path='../outside', text='x')]")
    place.spec(ACME)
    return place.build(), [("E305", None, None)]


@case("E306")
def _folder_in_the_way(place: Place):
    place.spec(ONLY_DVC)
    (place.folder / "dvc.yaml").mkdir()
    return place.build(), [("E306", None, None)]


@case("E307")
def _twice(place: Place):
    place.acme("return [File(path='DVC.yaml', text='a: 1')]")
    place.spec(ACME)
    return place.build(), [("E307", None, None)]


@case("E308")
def _another_build(place: Place):
    place.spec(ONLY_DVC)
    place.impatient()
    holder = os.open(place.folder, os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        return place.build(), [("E308", None, None)]
    finally:
        os.close(holder)


@case("E309")
def _cannot_write(place: Place):
    place.spec(ONLY_DVC)
    told = place.starved("build")
    assert sorted(path.name for path in place.folder.iterdir()) == ["mlops.yaml"]
    return told, [("E309", None, None)]


@case("E320")
def _no_repository(place: Place):
    place.spec(ONLY_DVC)
    place.patch.setenv("GIT_CEILING_DIRECTORIES", str(place.folder.parent))
    return place.tell("diff", "--base", "HEAD"), [("E320", None, None)]


@case("E321")
def _no_commit(place: Place):
    place.spec(ONLY_DVC)
    place.git("init", "--quiet")
    return place.tell("diff", "--base", "HEAD"), [("E321", None, None)]


@case("E322")
def _not_committed(place: Place):
    place.commit()
    place.spec(ONLY_DVC)
    return place.tell("plan", "--base", "HEAD"), [("E322", None, None)]


@case("E323")
def _broken_then(place: Place):
    place.spec(ONLY_DVC + "wrong: 1\n")
    place.commit()
    place.spec(ONLY_DVC)
    return place.tell("plan", "--base", "HEAD"), [("E323", None, None), ("E101", 6, 1)]


@case("E324")
def _never_built(place: Place):
    place.spec(ONLY_DVC)
    return place.tell("diff", "--base", "lock"), [("E324", None, None)]


@case("E325")
def _no_such_file(place: Place):
    place.spec(ONLY_DVC)
    return place.tell("why", "dvc.yml:1"), [("E325", None, None)]


@case("E326")
def _no_such_field(place: Place):
    place.spec(ONLY_DVC)
    return place.tell("uses", "data.rawr"), [("E326", None, None)]


@case("E327")
def _no_event(place: Place):
    place.patch.setenv("GITHUB_EVENT_PATH", str(place.folder / "event.json"))
    place.patch.setenv("GITHUB_REPOSITORY", "acme/shop")
    return place.tell("comment", os.devnull), [("E327", None, None)]


@case("W323")
def _not_github(place: Place):
    event = {"pull_request": {"number": 7, "head": {"repo": {"full_name": "acme/shop"}}}}
    (place.folder / "event.json").write_text(json.dumps(event))
    place.patch.setenv("GITHUB_EVENT_PATH", str(place.folder / "event.json"))
    place.patch.setenv("GITHUB_REPOSITORY", "acme/shop")
    place.patch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")
    place.patch.setenv("GITHUB_TOKEN", "t")
    place.patch.setattr("mlopsgen.cli.comment.TRIES", 1)
    return place.tell("comment", os.devnull), [("W323", None, None)]


@case("E350")
def _no_report(place: Place):
    place.spec(ONLY_DVC)
    told = place.tell("report", "--output", "mlops.yaml")
    assert (place.folder / "mlops.yaml").read_text() == ONLY_DVC
    return told, [("E350", None, None)]


@case("W350")
def _too_large_to_draw(place: Place):
    many = "".join(f"  e{number}: {{branch: b{number}}}\n" for number in range(501))
    place.spec(f"{ONLY_DVC}environments:\n{many}")
    return place.tell("graph", "--view", "environments"), [("W350", None, None)]


@case("W322")
def _edited_elsewhere(place: Place):
    place.spec(ONLY_DVC)
    place.build()
    params = place.folder / "params.yaml"
    params.write_text("# mine\n" + params.read_text())
    return place.tell("why", "params.yaml:6"), [("W322", None, None)]


@case("W320")
def _another_version(place: Place):
    place.spec(ONLY_DVC)
    place.build()
    lock = place.folder / "mlops.lock"
    lock.write_text(re.sub("(?m)^mlopsgen .*$", "mlopsgen 0.0.1", lock.read_text()))
    place.commit()
    return place.tell("diff", "--base", "HEAD"), [("W320", None, None)]


@case("W321")
def _no_lock(place: Place):
    place.spec(ONLY_DVC)
    place.commit()
    return place.tell("plan", "--base", "HEAD"), [("W321", None, None)]


def _absorbing(place: Place, path: str, old: str, new: str, *arguments: str):
    """What `absorb` tells of an edit after a build; where something of it is left, it exits with 1."""
    file = place.folder / path
    file.write_text(file.read_text().replace(old, new, 1))
    told = place.tell("absorb", *arguments)
    left = any(code in ("W330", "W331", "W334") for code, *_ in told.places)
    assert told.exit == (2 if told.places[0][0][0] == "E" else int(left))
    return told._replace(exit=0) if left else told


@case("E330")
def _absorb_not_ours(place: Place):
    place.spec(ONLY_DVC)
    (place.folder / "params.yaml").write_text("mine: true\n")
    return _absorbing(place, "params.yaml", "mine", "yours"), [("E330", None, None)]


@case("E331")
def _absorb_two_sides(place: Place):
    path = place.spec(ONLY_DVC)
    place.build()
    path.write_text(ONLY_DVC + "training: {epochs: 9}\n")
    return _absorbing(place, "params.yaml", "seed: 42", "seed: 7"), [("E331", None, None)]


@case("E332")
def _written_meanwhile(place: Place):
    path = place.spec(ONLY_DVC.replace("version: 1", "version: 0"))

    def late(*_: object):
        path.write_text("# someone else\n")
        return nullcontext()

    place.patch.setattr("mlopsgen.cli.rewriting.exclusive", late)
    return place.tell("migrate"), [("E332", None, None)]


@case("E335")
def _both_names(place: Place):
    place.spec(ONLY_DVC.replace("version: 1", "version: 0") + "train: {epochs: 1}\ntraining: {epochs: 2}\n")
    return place.tell("migrate"), [("E335", 6, 1)]


@case("W330")
def _absorb_comment(place: Place):
    place.spec(ONLY_DVC)
    place.build()
    return _absorbing(place, "params.yaml", "data:\n", "data: # mine\n"), [("W330", None, None)]


@case("W331")
def _absorb_text(place: Place):
    place.spec(ONLY_DVC)
    place.build()
    (place.folder / ".dvcignore").write_text("mine\n" + (place.folder / ".dvcignore").read_text())
    return _absorbing(place, ".dvcignore", "mine", "yours"), [("W331", None, None)]


@case("W332")
def _absorb_yours(place: Place):
    place.spec(ONLY_DVC)
    place.build()
    return _absorbing(place, ".dvc/config", "core", "core", ".dvc/config"), [("W332", None, None)]


@case("W334")
def _absorb_lone_pin(place: Place):
    place.spec(ONLY_DVC.replace("docker: false, ", ""))
    place.build()
    text = (place.folder / "docker" / "serve.Dockerfile").read_text()
    digest = re.search("sha256:[0-9a-f]{64}", text)
    assert digest is not None
    return _absorbing(place, "docker/serve.Dockerfile", digest[0], f"sha256:{'b' * 64}"), [("W334", None, None)]


@case("E401")
def _broken_template(place: Place):
    place.template("a: 1\nb: [[ oops\n")
    return place.build(), [("E401", 2, 1)]


@case("E403")
def _quoted_expression(place: Place):
    place.template('a: "[[ value ]]"\n', value="x")
    return place.build(), [("E403", None, None)]


@case("E404")
def _two_lines(place: Place):
    place.template("say [[ value ]]\n", name="acme.txt", path="acme.txt", value="one\ntwo")
    return place.build(), [("E404", None, None)]


@case("E360")
def _no_spec_below(place: Place):
    (place.folder / ".git").mkdir()
    return place.build("--all"), [("E360", None, None)]


@case("E361")
def _unknown_field_of_the_workspace(place: Place):
    place.spec(ONLY_DVC)
    (place.folder / "mlops.workspace.yaml").write_text("version: 1\ndefault: {}\n")
    return place.build(), [("E361", 2, 1)]


@case("E362")
def _name_is_shared(place: Place):
    place.spec(ONLY_DVC)
    (place.folder / "mlops.workspace.yaml").write_text("version: 1\ndefaults:\n  project: {name: docs}\n")
    return place.build(), [("E362", 3, 13)]


@case("E363")
def _one_name_twice(place: Place):
    (place.folder / ".git").mkdir()
    for name in ("a", "b"):
        (place.folder / name).mkdir()
        (place.folder / name / "mlops.yaml").write_text(SMALLEST)
    return place.build("--all"), [("E363", 2, 17)]


@case("W360")
def _pattern_of_no_spec(place: Place):
    (place.folder / ".git").mkdir()
    place.spec(ONLY_DVC)
    (place.folder / "mlops.workspace.yaml").write_text("version: 1\nprojects: [., services/*]\n")
    return place.build("--all"), [("W360", 2, 15)]


def _judge(place: Place, name: str, body: str) -> None:
    """A program that stands in front of a judge's."""
    program = place.folder / "bin" / name
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    place.patch.setenv("PATH", str(program.parent), prepend=os.pathsep)


@case("E340")
def _refused_pipeline(place: Place):
    place.spec(ONLY_DVC + "patches:\n  - {file: dvc.yaml, ops: [{op: add, path: /stages/train/dep, value: [x]}]}\n")
    return place.tell("verify"), [("E340", 7, 71)]


@case("W340")
def _criticised_image(place: Place):
    row = {"file": "docker/train.Dockerfile", "line": 0, "column": 1, "level": "info", "message": "odd", "code": "X1"}
    _judge(place, "hadolint", f"echo '[{json.dumps(row)}]'")
    place.spec(ONLY_DVC.replace("docker: false, ", ""))
    return place.tell("verify"), [("W340", None, None)]


@case("E341")
def _no_such_judge(place: Place):
    place.patch.setenv("PATH", "/nowhere")
    place.patch.setattr("mlopsgen.verify.execute.BESIDE", "/nowhere")
    place.spec(ONLY_DVC)
    return place.tell("verify", "--require", "promtool"), [("E341", None, None)]


@case("E342")
def _judge_without_a_word(place: Place):
    _judge(place, "dvc", "exit 9")
    place.spec(ONLY_DVC)
    return place.tell("verify"), [("E342", None, None)]


@case("E345")
def _a_spec_is_there(place: Place):
    place.spec(ONLY_DVC)
    return place.tell("import"), [("E345", None, None)]


@case("E346")
def _nothing_to_import(place: Place):
    return place.tell("import"), [("E346", None, None)]


@case("W346")
def _import_with_gaps(place: Place):
    (place.folder / "params.yaml").write_text("train: {epochs: 2}\n")
    told = place.tell("import", "--raw", "data/raw", "--base", "acme/tiny")
    return told, [("W346", None, None)]


@pytest.mark.parametrize("code", WITH_EXAMPLE, ids=lambda code: code.id)
def test_an_example_reports_its_code_at_its_place_and_nothing_else(code, place: Place) -> None:
    place.spec(code.example)
    told = place.build()
    assert told.places == [(code.id, *code.at)]
    assert told.exit == (2 if code.id[0] == "E" else 0)
    row = told.rows[0]
    assert row["severity"] == ("error" if code.id[0] == "E" else "warning")
    assert row["file"] == "mlops.yaml"
    assert row["message"]
    assert "\n" not in row["message"]
    assert not row["message"].endswith(".")


@pytest.mark.parametrize("code", WITHOUT, ids=lambda code: code.id)
def test_a_mistake_outside_of_the_spec_reports_its_code(code, place: Place) -> None:
    assert code.id in CASES, f"{code.id} has neither an example nor a case here"
    told, expected = CASES[code.id](place)
    assert told.places == expected
    assert told.exit == (1 if code.id in VERDICTS else 2 if code.id[0] == "E" else 0)


@pytest.mark.parametrize("code", WITH_EXAMPLE, ids=lambda code: code.id)
def test_validate_reports_the_same_as_build(code, place: Place) -> None:
    place.spec(code.example)
    assert place.tell("validate") == place.build()


def test_no_case_is_about_a_code_that_is_gone() -> None:
    assert set(CASES) == {code.id for code in WITHOUT}


def test_the_source_reports_the_codes_of_the_catalogue_and_no_others() -> None:
    used: set[str] = set()
    for path in (ROOT / "mlopsgen").rglob("*.py"):
        if "catalogue" not in path.parts:
            used |= set(re.findall(r'"([EW][0-9]{3})"', path.read_text()))
    assert used == set(CODES)


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.id)
def test_an_entry_of_the_catalogue_is_whole(code) -> None:
    assert re.fullmatch("[EW][0-4][0-9]{2}", code.id)
    assert code.title == code.title.strip(" .")
    assert code.why.endswith(".")
    assert code.fix.endswith(".")
    assert bool(code.example) == (code.at != (0, 0))
