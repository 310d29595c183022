"""From lines to users: what counts, what is refused and where, and that order and packing change nothing."""

from __future__ import annotations

import gzip
import io
import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from mlops_runtime.errors import Mistaken
from mlops_runtime.experiment.outcomes import LONGEST, Outcomes, Window, parsed, read
from mlops_runtime.experiment.stages import constant, moment
from mlops_runtime.experiment.stages import read as read_stages

from tests.runtime.experiment.records import BEGIN, DAY, answered, line, log, ramp, write

ALWAYS = constant(0.1)


def test_a_user_s_mean_is_one_observation(tmp_path: Path) -> None:
    lines = [
        answered(1, at=0, seconds=1.0),
        answered(1, at=9, seconds=math.e**2),
        line(1, at=5, success=False, seconds=None),
        line(1, at=6, success=None, seconds=None),
        line(1, at=7, success=False, seconds=1.0),
        line(1, at=8, rating=5),
        line(1, at=9, rating=2),
        line(2, True, at=1, rating=4),
    ]
    found = read([write(tmp_path / "a.jsonl", lines)], ALWAYS)
    assert (found.lines, found.records, found.outside) == (8, 8, 0)
    values = {name: found.units(name)[0].value.tolist() for name in ("rating", "success", "latency")}
    assert values == {"rating": [3.5, 4.0], "success": [0.5], "latency": [pytest.approx(2 / 3)]}
    assert found.units("rating")[0].canary.tolist() == [0, 1]
    assert found.versions == ({"3": 7}, {"4": 1})
    assert found.people() == (2, 0)


def test_a_request_belongs_to_the_stage_in_which_it_came(tmp_path: Path) -> None:
    late = [answered(1, at=DAY + 3, seconds=5.0), answered(2, True, at=DAY + 6, seconds=5.0), answered(3, at=-1)]
    found = read([write(tmp_path / "a.jsonl", late)], ramp(0.05, 0.1))
    assert found.outside == 1
    assert found.seen() == ([1, 0], [0, 1], [0, 0])
    assert found.begin == BEGIN + DAY - 2


def test_a_user_in_both_arms_of_a_stage_is_left_out_and_one_who_moves_is_not(tmp_path: Path) -> None:
    lines = [answered(1, at=1), answered(1, True, at=2), answered(2, at=1)]
    lines += [answered(2, True, at=DAY + 1), answered(3, at=DAY + 1)]
    found = read([write(tmp_path / "a.jsonl", lines)], ramp(0.05, 0.1))
    assert found.seen() == ([1, 1], [0, 1], [1, 0])
    assert found.people() == (3, 1)
    units, _ = found.units("success")
    assert sorted(zip(units.stage.tolist(), units.canary.tolist(), strict=True)) == [(0, 0), (1, 0), (1, 1)]
    assert len(set(units.user.tolist())) == 2


def test_a_time_window(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [answered(user, at=10 * user, seconds=0) for user in range(10)])
    found = read([path], ALWAYS, Window(BEGIN + 20, BEGIN + 50))
    assert (found.records, found.outside) == (3, 7)


def test_other_events_are_passed_over_and_packing_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [*log(users=40), {"event": "request", "status": 200}, {"no": "event"}]
    plain = write(tmp_path / "a.jsonl", lines)
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(Path(plain).read_bytes().replace(b"\n", b"\r\n\n")))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path(plain).read_bytes())))
    first, second, third = (read([path], ALWAYS) for path in (plain, str(packed), "-"))
    assert first.lines == second.lines == third.lines == len(lines)
    assert first.records == len(lines) - 2
    for other in (second, third):
        assert np.array_equal(first.units("rating")[0].value, other.units("rating")[0].value)


@examples(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_lines_does_not_matter(random: Any) -> None:
    lines = [parsed(json.dumps(one).encode()) for one in log(users=30)]
    shuffled = list(lines)
    random.shuffle(shuffled)
    sides = []
    for some in (lines, shuffled):
        found = Outcomes(ALWAYS)
        for one in some:
            assert one is not None
            found.add(one)
        units, times = found.units("latency")
        sides.append((units.value.round(9).tolist(), units.canary.tolist(), times.tolist(), found.seen()))
    assert sides[0] == sides[1]


GOOD = answered(1)
BROKEN = {
    '{"event": "outcome", "time"': "no JSON",
    "[1]": "no JSON object",
    "NaN": "no JSON",
    json.dumps({**GOOD, "time": "2026-11-23T10:00:00"}): "names no time zone",
    json.dumps({**GOOD, "time": "yesterday"}): "no outcome: Invalid isoformat",
    json.dumps({**GOOD, "time": True}): "True is no time",
    json.dumps({**GOOD, "variant": "other"}): "an unknown variant",
    json.dumps({**GOOD, "user": "anna"}): "a user that is no pseudonym",
    json.dumps({**GOOD, "user": "x" * 16}): "no outcome: invalid literal",
    json.dumps({**GOOD, "user": 7}): "no outcome",
    json.dumps({**GOOD, "success": 1}): "success is 1",
    json.dumps({**GOOD, "seconds": -1}): "seconds is -1",
    json.dumps({**GOOD, "seconds": True}): "seconds is True",
    json.dumps({**GOOD, "rating": 6}): "rating is 6",
    json.dumps({**GOOD, "rating": 4.5}): "rating is 4.5",
    json.dumps({**GOOD, "rating": True}): "rating is True",
    json.dumps({key: value for key, value in GOOD.items() if key != "version"}): "no outcome: 'version'",
    '"' + "x" * LONGEST + '"': "no JSON",
}


@pytest.mark.parametrize(("broken", "told"), BROKEN.items(), ids=range(len(BROKEN)))
def test_a_broken_line_is_refused_with_its_place(broken: str, told: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [GOOD, broken, GOOD])
    with pytest.raises(Mistaken) as error:
        read([path], ALWAYS)
    assert f"{path}:2: " in str(error.value)
    assert told in str(error.value)


def test_many_broken_lines_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [GOOD, *["{"] * 5, GOOD])
    with pytest.raises(Mistaken) as error:
        read([path], ALWAYS)
    assert str(error.value).startswith(f"5 lines are broken, so nothing is said: {path}:2: no JSON; {path}:3: ")
    assert str(error.value).endswith(f"{path}:4: no JSON; …")
    with pytest.raises(Mistaken, match=r"^1 line is broken"):
        read([write(tmp_path / "b.jsonl", [GOOD, "{"])], ALWAYS)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [GOOD])
    with pytest.raises(Mistaken, match=r"none\.jsonl cannot be read after line 0: .*No such file"):
        read([str(tmp_path / "none.jsonl")], ALWAYS)
    torn = tmp_path / "torn.gz"
    torn.write_bytes(gzip.compress(Path(path).read_bytes())[:-9])
    with pytest.raises(Mistaken, match=r"torn\.gz cannot be read"):
        read([str(torn)], ALWAYS)
    torn.write_bytes(Path(path).read_bytes())
    with pytest.raises(Mistaken, match=r"[Nn]ot a gzipped file"):
        read([str(torn)], ALWAYS)
    corrupt = bytearray(gzip.compress(Path(path).read_bytes() * 100))
    corrupt[30:60] = b"\xff" * 30
    torn.write_bytes(corrupt)
    with pytest.raises(Mistaken, match=r"torn\.gz cannot be read"):
        read([str(torn)], ALWAYS)
    with pytest.raises(Mistaken, match="the same file twice"):
        read([path, f"{tmp_path}/./a.jsonl"], ALWAYS)


def test_nothing_to_analyse(tmp_path: Path) -> None:
    with pytest.raises(Mistaken, match="no outcome in 1 lines: servers write them when"):
        read([write(tmp_path / "a.jsonl", [{"event": "request"}])], ALWAYS)
    with pytest.raises(Mistaken, match="all 1 outcomes lie before the first stage, or outside"):
        read([write(tmp_path / "b.jsonl", [GOOD])], ALWAYS, Window(until=0.0))


def test_memory_grows_with_users_and_not_with_requests(tmp_path: Path) -> None:
    peaks = []
    for times in (20, 200):
        lines = (answered(user, user % 2 == 0, at=number) for number in range(times) for user in range(50))
        path = write(tmp_path / f"{times}.jsonl", lines)
        tracemalloc.start()
        read([path], ALWAYS)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.05


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "cannot be read"),
        ("{}", "expected a list of 1 to 64 stages"),
        ("[]", "expected a list of 1 to 64 stages"),
        ("[1]", "stage 1: expected"),
        ('[{"at": 0}]', "stage 1: expected .* \\('share'\\)"),
        ('[{"at": "2026-11-23T10:00:00", "share": 0.1}]', "names no time zone"),
        ('[{"at": null, "share": 0.1}]', "None is no time"),
        ('[{"at": 0, "share": 10}]', "stage 1: the share 10 is not from 0 to 1"),
        ('[{"at": 0, "share": NaN}]', "the share nan is not from 0 to 1"),
        ('[{"at": 5, "share": 0.1}, {"at": 5, "share": 0.2}]', "stage 2: it begins before stage 1 ends"),
    ],
)
def test_stages_that_make_no_sense(content: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "stages.json"
    path.write_text(content)
    with pytest.raises(Mistaken, match=told):
        read_stages(str(path))
    with pytest.raises(Mistaken, match="cannot be read"):
        read_stages(str(tmp_path / "none.json"))


def test_stages_take_numbers_and_texts(tmp_path: Path) -> None:
    path = tmp_path / "stages.json"
    path.write_text('[{"at": 1795392000, "share": 0.05}, {"at": "2026-11-23T02:00:00+01:00", "share": 1}]')
    found = read_stages(str(path))
    assert found.begins == (1_795_392_000.0, moment("2026-11-23T01:00:00Z"))
    assert [found.at(time) for time in (0.0, 1_795_392_000.0, 1_795_399_999.0)] == [-1, 0, 1]
