from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

import pytest
import yaml

from mlopsgen.cli.sides import Compiler, Side, Source, present
from mlopsgen.cli.tracing import origins
from mlopsgen.cli.uses import uses
from mlopsgen.cli.workspace import Workspace
from mlopsgen.diagnostics import Failed
from mlopsgen.review.alternatives import edits
from mlopsgen.review.inputs import Input, State
from mlopsgen.review.lines import changed
from mlopsgen.review.origins import Made, Origins
from mlopsgen.spec.load import parse
from tests.conftest import FULL
from tests.review import corpus
from tests.review.conftest import Repository

pytestmark = pytest.mark.slow

TRIES = 16
"""Other values that the judge tries: those that were tried, so that it judges what was concluded from them."""


@cache
def full() -> tuple[Source, Origins]:
    source = present(Workspace(str(FULL)))
    return source, origins(source)


class Judge:
    """Compiles the spec with another value, by the compiler of `build`, patches and all."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.compiler = Compiler()
        self.base = self.texts(self.compiler(source))

    @staticmethod
    def texts(side: Side) -> dict[str, list[str]]:
        return {file.key: file.content.decode().split("\n") for file in side.rendered}

    def same(self, new: dict[str, list[str]], key: str, line: int, counts: dict[str, Counter[str]]) -> bool:
        """Whether a line may be what it was: in its place where none came or went, else as often as before."""
        old, now = self.base[key], new.get(key, [])
        if len(old) == len(now):
            return old[line - 1] == now[line - 1]
        if key not in counts:
            counts[key] = Counter(now)
        return counts[key][old[line - 1]] >= old.count(old[line - 1])

    def wrong(self, known: Origins, given: Input) -> list[str]:
        """Answers about an input that no other value of it bears out: the line is still there."""
        left = {
            (use.made.key, number): use.made.final[number - 1] for use in uses(known, given) for number in use.lines
        }
        resolved = known._resolved
        for number, edit in enumerate(edits(given, self.source.tree, resolved)):
            if not left or number == TRIES:
                break
            state = edit.apply(State(self.source.tree, self.source.pins))
            other = self.source._replace(tree=state.tree, pins=state.pins)
            try:
                new = self.texts(self.compiler(other))
            except Failed:
                try:  # a patch names what is called otherwise now
                    new = self.texts(self.compiler(other._replace(tree=without_patches(other.tree))))
                except Failed:
                    continue
            counts: dict[str, Counter[str]] = {}
            left = {(key, line): text for (key, line), text in left.items() if self.same(new, key, line, counts)}
        return [f"{given.field} does not change {key}:{line} {text!r}" for (key, line), text in left.items()]


def without_patches(tree):
    entries = {key: child for key, child in tree.value.items() if key != "patches"}
    return type(tree)(entries, tree.span, tree.path, tree.keys, tree.size)


def managed(known: Origins) -> list[Made]:
    return [made for made in known.files.values() if not made.keep and not made.unmanaged]


def share(known: Origins, asked: Iterable[tuple[Made, range, frozenset[str]]]) -> tuple[int, int]:
    """Of values that the renderer saw come from fields: how many there are, and for how many `why` names one of these
    fields on a line of the value."""
    by_field: dict[str, list[Input]] = {}
    for each in known.inputs:
        by_field.setdefault(each.field, []).append(each)
    total = answered = 0
    for made, lines, fields in asked:
        total += 1
        answered += any(
            known.reach(each, made.key).get(line) == "value"
            for field in fields
            for each in by_field.get(field, ())
            for line in lines
        )
    return total, answered


def interpolated(known: Origins) -> list[tuple[Made, range, frozenset[str]]]:
    """Lines with a traced value; a block of text is one value, which stands below the line that begins it."""
    found = []
    for made in managed(known):
        inside = known._inside(made)
        for line, inner in inside.items():
            if inner in made.traced:
                found.append((made, block(made.final, line), made.traced[inner]))
    return found


def block(text: Sequence[str], line: int) -> range:
    begin = text[line - 1]
    if not begin.endswith((" |", " |-")):
        return range(line, line + 1)
    head = begin.lstrip(" ") if begin.lstrip(" -")[0] == "|" else begin.lstrip(" -")
    indent, end = len(begin) - len(head), line
    while end < len(text) and (not text[end] or len(text[end]) - len(text[end].lstrip()) > indent):
        end += 1
    return range(line + 1, end + 1)


def test_share_of_interpolated_lines_in_a_sample(capsys: pytest.CaptureFixture[str]) -> None:
    _, known = full()
    sample = [each for each in interpolated(known) if each[0].key in SAMPLE]
    total, answered = share(known, sample)
    with capsys.disabled():
        print(f"\nwhy: {answered} of {total} lines with an interpolated value ({answered / total:.1%}), sample")
    assert total > 80
    assert answered / total >= 0.95


SAMPLE = ("params.yaml", "dvc.yaml", "deploy/production/scaling.yaml", "monitoring/alertmanager.yaml")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_share_of_interpolated_lines(capsys: pytest.CaptureFixture[str]) -> None:
    _, known = full()
    total, answered = share(known, interpolated(known))
    with capsys.disabled():
        print(f"\nwhy: {answered} of {total} lines with an interpolated value ({answered / total:.1%})")
    assert total > 1400
    assert answered / total >= 0.95


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_the_edits_of_the_corpus_change_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines that say something else after an edit with a value of its own, of one field."""
    source, known = full()
    base = known.files
    seen = missed = 0
    for edit in corpus.EDITS.values():
        (path, value), *more = leaves(edit)
        if more or value is None or isinstance(value, list) or path == ("project", "name"):
            continue
        text = yaml.safe_dump(corpus.changed(source.tree.plain(), edit), sort_keys=False)
        side = Compiler()(source._replace(tree=parse(text, "mlops.yaml")))
        given = [each for each in known.inputs if each.kind == "value" and each.path == path]
        for file in side.rendered:
            if file.key not in base or base[file.key].keep or base[file.key].unmanaged:
                continue
            new = file.content.decode().removesuffix("\n").split("\n")
            for line, role in changed(base[file.key].final, new).items():
                if role == "value":
                    seen += 1
                    missed += not any(line in known.reach(each, file.key) for each in given)
        known.forget()
    with capsys.disabled():
        print(f"\nwhy: {seen - missed} of {seen} lines that edits change are known to change")
    assert seen > 1000
    assert missed / seen <= 0.05


def leaves(value: object, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], object]]:
    if isinstance(value, dict) and value:
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    return [(path, value)]


def judged(given: Iterable[Input]) -> tuple[list[str], int]:
    source, known = full()
    judge = Judge(source)
    wrong, answers = [], 0
    for each in given:
        if known.is_fixed(each):
            continue  # nothing else is valid alone, so nothing can be seen
        answers += sum(len(use.lines) for use in uses(known, each))
        wrong += judge.wrong(known, each)
        known.forget()
    return wrong, answers


def test_no_answer_of_a_sample_is_wrong() -> None:
    _, known = full()
    wrong, answers = judged(random.Random(3).sample(known.inputs, 8))
    assert wrong == []
    assert answers > 20


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(4))
def test_no_answer_is_wrong(part: int, capsys: pytest.CaptureFixture[str]) -> None:
    _, known = full()
    wrong, answers = judged(known.inputs[part::4])
    with capsys.disabled():
        print(f"\nwhy and uses: {answers} answers, {len(wrong)} wrong")
    assert wrong == []


def inverse(known: Origins, made: Made, line: int) -> None:
    said = {(one.input.key, one.role) for one in known.line(made.key, line)}
    there = {(each.key, known.reach(each, made.key).get(line)) for each in known.inputs}
    assert said == {(key, role) for key, role in there if role is not None}, (made.key, line)


def test_uses_is_the_inverse_of_why(small: Repository) -> None:
    known = origins(present(Workspace("mlops.yaml")))
    for key, line in (("params.yaml", 20), ("deploy/staging/scaling.yaml", 8), ("deploy/staging/scaling.yaml", 15)):
        inverse(known, known.files[key], line)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_uses_is_the_inverse_of_why_anywhere() -> None:
    _, known = full()
    chance = random.Random(7)
    for made in chance.sample(managed(known), 8):
        for line in chance.sample(range(1, len(made.final) + 1), min(3, len(made.final))):
            inverse(known, made, line)


def test_a_line_that_no_other_value_changes_is_not_said_to_come_from_its_fields() -> None:
    _, known = full()
    made = known.files["docs/runbooks/ModelAvailabilityBurnPageFast.md"]
    line = next(n for n, text in enumerate(made.final, 1) if "burns its availability budget" in text)
    assert "monitoring.slo.availability" in known.traced(made.key, line)
    fields = [each for each in known.inputs if each.field in known.traced(made.key, line)]
    assert fields
    assert all(known.reach(field, made.key).get(line) != "value" for field in fields)


def test_other_values_are_others_and_leave_the_spec_as_it_is() -> None:
    source, known = full()
    state = State(source.tree, source.pins)
    before = repr(source.tree.plain())
    without = []
    for given in known.inputs:
        others = [edit.apply(state) for edit in edits(given, source.tree, known._resolved)]
        if not others:
            without.append(given.field)
        for other in others:
            assert repr(other.tree.plain()) != before or other.pins != source.pins, given
    assert repr(source.tree.plain()) == before
    assert without == ["model.adapter.type"]  # `lora` is all there is


def test_a_number_comes_from_its_field(small: Repository) -> None:
    small.edit("training: {epochs: 7}\n")
    small.run("build", "-q")
    code, told = small.json("why", "params.yaml", "/train/epochs")
    (answer,) = told["answers"]
    assert code == 0
    assert (answer["kind"], answer["target"], answer["text"].strip()) == ("value", "dvc", "epochs: 7.0")
    (field,) = answer["fields"]
    last = len((small.folder / "mlops.yaml").read_text().splitlines())
    assert (field["path"], field["value"], field["file"], field["line"]) == ("training.epochs", 7, "mlops.yaml", last)
    assert field["default"] is False


def test_a_boolean_and_a_default(small: Repository) -> None:
    _, told = small.json("why", "params.yaml", "/train/packing")
    (field,) = told["answers"][0]["fields"]
    assert (field["path"], field["default"], field["line"]) == ("training.packing", True, None)
    _, out, _ = small.run("why", "params.yaml", "/train/packing")
    assert "not written: default" in out


def test_an_overlay(small: Repository) -> None:
    small.edit("environments: {staging: {branch: dev}, production: {branch: main, serving: {timeout: 77s}}}\n")
    small.run("build", "-q")
    line = next(
        number
        for number, text in enumerate((small.folder / "deploy/production/serving.yaml").read_text().splitlines(), 1)
        if "terminationGracePeriodSeconds" in text
    )
    code, out, _ = small.run("why", f"deploy/production/serving.yaml:{line}")
    assert code == 0
    assert "environments.production.serving.timeout: 77s  mlops.yaml:" in out
    assert "(only in production)" in out


def test_constant_text(small: Repository) -> None:
    code, out, _ = small.run("why", "deploy/staging/serving.yaml", "/kind", "--object", "Service/docstrings-champion")
    assert code == 0
    assert "target kubernetes, template kubernetes/serving.yaml" in out
    assert "constant text of the template" in out


def test_a_patch_is_said_to_be_one(small: Repository) -> None:
    small.edit(
        "patches:\n"
        "  - file: deploy/staging/serving.yaml\n"
        "    object: Deployment/docstrings-champion\n"
        "    ops: [{op: add, path: /spec/template/spec/nodeSelector, value: {pool: inference}}]\n"
    )
    small.run("build", "-q")
    pointer = "/spec/template/spec/nodeSelector/pool"
    _, told = small.json("why", "deploy/staging/serving.yaml", pointer)
    (answer,) = told["answers"]
    assert (answer["kind"], answer["patches"]) == ("patch", [0])
    assert {field["path"] for field in answer["fields"]} == {"patches[0].ops[0].value.pool"}
    _, told = small.json("uses", "patches[0].ops[0].value.pool")
    for field in told["fields"]:  # its name and its value
        ((line,),) = [use["lines"] for use in field["uses"]]
        assert line["places"][0]["pointer"] == pointer


def test_what_is_the_users_is_said_to_be(small: Repository) -> None:
    small.edit("unmanaged: [dvc.yaml]\n")
    _, told = small.json("why", "dvc.yaml:1")
    assert told["answers"][0]["kind"] == "unmanaged"
    _, told = small.json("why", "deploy/staging/release.yaml:999")
    assert told["answers"][0]["kind"] == "once"


def test_a_template_of_the_users(small: Repository) -> None:
    own = small.folder / "ops" / "kubernetes"
    own.mkdir(parents=True)
    (own / "scaling.yaml").write_text("kind: Own\n")
    small.edit("templates: ops\n")
    small.run("build", "-q")
    code, told = small.json("why", "deploy/staging/scaling.yaml:1")
    assert code == 0
    (answer,) = told["answers"]
    assert (answer["own_template"], answer["kind"], answer["text"]) == (True, "constant", "kind: Own")


def test_a_pin(repository: Repository) -> None:
    repository.edit("targets: {github: false, kubernetes: false, prometheus: false, grafana: false, local: false}\n")
    repository.run("build", "-q")
    text = (repository.folder / "docker/train.Dockerfile").read_text().splitlines()
    line = next(number for number, row in enumerate(text, 1) if row.startswith("FROM"))
    _, told = repository.json("why", f"docker/train.Dockerfile:{line}")
    fields = told["answers"][0]["fields"]
    assert ("pin", "python:3.11-slim-bookworm") in {(field["kind"], field["path"]) for field in fields}
    assert "ci.python" in {field["path"] for field in fields}


def test_a_file_that_was_edited(small: Repository) -> None:
    params = small.folder / "params.yaml"
    params.write_text("# mine\n" + params.read_text())
    code, told = small.json("why", "params.yaml:6")
    assert (code, [row["code"] for row in told["diagnostics"]]) == (0, ["W322"])
    assert told["answers"][0]["text"] == params.read_text().splitlines()[5]
    assert small.codes("why", "params.yaml:1") == (2, ["E325"])


def test_a_file_from_another_folder(small: Repository) -> None:
    small.patch.chdir(small.folder / "deploy" / "staging")
    code, told = small.json("why", "network.yaml:2")
    assert code == 0
    assert told["answers"][0]["file"] == "deploy/staging/network.yaml"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("why", "parms.yaml:1"), "did you mean `params.yaml`?"),
        (("why", "params.yaml:9999"), "name one of them"),
        (("why", "params.yaml", "/train/epoch"), "did you mean `/train/epochs`?"),
        (("why", "deploy/staging/serving.yaml", "/kind"), "name one with `--object`"),
        (("why", "params.yaml"), "name a line"),
        (("why", "params.yaml:0"), "name a line"),
        (("why", "params.yaml", "train"), "begins with `/`"),
        (("uses", "serving.replica"), "did you mean `serving.replicas`?"),
        (("uses", "environments.staging.serving.port"), "`mlopsgen uses serving.port`"),
        (("uses", "nonsense..[", "--spec", "nowhere.yaml"), "nowhere.yaml"),
        (("uses", "nonsense..["), "there is no field"),
    ],
)
def test_what_is_wrong_is_said(small: Repository, arguments: tuple[str, ...], said: str) -> None:
    code, _, err = small.run(*arguments)
    assert code == 2
    assert said in err


def test_uses_of_a_section_and_of_what_reaches_nothing(small: Repository) -> None:
    code, told = small.json("uses", "registry")
    assert code == 0
    assert {field["path"] for field in told["fields"]} >= {"registry.keep", "registry.semantic_version"}
    _, out, _ = small.run("uses", "registry.keep")
    assert "params.yaml:" in out
    small.edit("x-mine: {a: 1}\n")
    assert small.codes("uses", "x-mine.a") == (2, ["E326"])


def test_a_scalar_for_a_section(small: Repository) -> None:
    small.edit("serving: {replicas: 3}\n")
    code, out, _ = small.run("uses", "serving.replicas")
    assert code == 0
    assert "deploy/staging/serving.yaml:" in out
    _, _, err = small.run("uses", "serving.replicas.min")
    assert "is written as one value" in err


def test_the_switch_of_a_target_has_whole_files(small: Repository) -> None:
    _, told = small.json("uses", "targets.dvc")
    whole = {use["file"] for use in told["fields"][0]["uses"] if use["whole"]}
    assert "dvc.yaml" in whole
    _, out, _ = small.run("uses", "targets.dvc")
    assert "the whole file comes and goes with it" in out


def test_json_is_json(small: Repository) -> None:
    _, out, _ = small.run("why", "nothing.yaml:1", "--format", "json")
    assert json.loads(out)["answers"] == []
