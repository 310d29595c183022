from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopsgen.output.lock import MAX_LOCK, Lock, parse, union, write
from mlopsgen.output.paths import problem

D = [f"{n:032x}" for n in range(10)]
words = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1, max_size=8)
digests = st.sampled_from(D)
keys = st.tuples(
    st.sampled_from(["", "//"]), st.text("ab é/.\u00a0", min_size=1, max_size=10).filter(lambda p: not problem(p))
).map("".join)
locks = st.builds(
    Lock,
    st.just("") | words,
    st.just("") | digests,
    st.dictionaries(words, st.tuples(words, words), max_size=4),
    st.dictionaries(keys, st.tuples(words, st.frozensets(digests, min_size=1, max_size=3)), max_size=6),
    st.dictionaries(keys.map(lambda k: k + "-kept"), words, max_size=3),
)


def test_text() -> None:
    lock = Lock(
        "0.1.0",
        D[1],
        {"actions/checkout": ("v4.2.2", "sha1"), "a": ("v1", "sha2")},
        {"b c.yaml": ("dvc", frozenset(D[2:4])), "//.github/a.yaml": ("github", frozenset([D[0]]))},
        {".dvc/config": "dvc"},
    )
    assert write(lock).decode() == (
        "# Written by mlopsgen: commit it, do not edit it.\n"
        "mlopsgen 0.1.0\n"
        f"spec {D[1]}\n"
        "pin a v1 sha2\n"
        "pin actions/checkout v4.2.2 sha1\n"
        f"file {D[0]} github //.github/a.yaml\n"
        f"file {D[2]} dvc b c.yaml\n"
        f"file {D[3]} dvc b c.yaml\n"
        "keep dvc .dvc/config\n"
    )


@given(locks)
def test_round_trip(lock: Lock) -> None:
    assert parse(write(lock)) == lock
    assert parse(write(lock).replace(b"\n", b"\r\n")) == lock


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.lists(
        st.sampled_from(
            [
                b"file ",
                b"keep ",
                b"pin ",
                b"spec ",
                b"mlopsgen ",
                b" ",
                b"\n",
                b"a",
                D[0].encode(),
                b"../x",
                b"9" * 5000,
                b"v",
            ]
        )
    ).map(b"".join)
)
def test_parse_never_raises_and_what_it_made_can_be_written(data: bytes) -> None:
    lock = parse(data)
    if not lock.damaged:
        again = parse(write(lock))
        lock.healed = False
        assert again == lock


@given(base=locks, ours=locks, theirs=locks, style=st.sampled_from(["merge", "diff3"]))
def test_conflict_markers_heal_and_every_digest_stays(base: Lock, ours: Lock, theirs: Lock, style: str) -> None:
    def body(lock: Lock) -> str:
        return write(lock).decode()

    middle = f"||||||| base\n{body(base)}" if style == "diff3" else ""
    merged = parse(f"<<<<<<< HEAD\n{body(ours)}{middle}=======\n{body(theirs)}>>>>>>> topic\n".encode())
    assert merged.healed
    assert not merged.damaged
    for side in (ours, theirs):
        for key, (_, found) in side.files.items():
            assert found <= merged.files[key][1]
        assert side.pins.keys() <= merged.pins.keys()
        assert side.kept.keys() <= merged.kept.keys() | merged.files.keys()
    if ours.inputs != theirs.inputs:
        assert merged.inputs == ""
    if ours.generator and theirs.generator and ours.generator != theirs.generator:
        assert merged.generator == ""


def test_a_real_merge_of_two_branches_heals(tmp_path: Path) -> None:
    texts = {
        "base": Lock("1", D[0], {}, {"a": ("t", frozenset([D[1]])), "z": ("t", frozenset([D[2]]))}),
        "ours": Lock("1", D[3], {}, {"a": ("t", frozenset([D[4]])), "z": ("t", frozenset([D[2]]))}),
        "theirs": Lock("1", D[5], {}, {"a": ("t", frozenset([D[1]])), "z": ("t", frozenset([D[6]]))}),
    }
    for name, lock in texts.items():
        (tmp_path / name).write_bytes(write(lock))
    command = ["git", "merge-file", "-p", "ours", "base", "theirs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode > 0
    merged = parse(done.stdout)
    assert (merged.healed, merged.inputs, merged.generator) == (True, "", "1")
    assert D[4] in merged.files["a"][1]
    assert D[6] in merged.files["z"][1]


@pytest.mark.parametrize(
    ("versions", "newer"),
    [
        (("v9", "v10"), "v10"),
        (("v4.2.2", "v4.10.0"), "v4.10.0"),
        (("v4", "v4.1"), "v4.1"),
        (("1" * 5000, "2"), "1" * 5000),
    ],
)
def test_of_two_pins_the_newer_counts(versions: tuple[str, str], newer: str) -> None:
    for pair in (versions, versions[::-1]):
        text = "".join(f"pin a {version} sha-{version[:4]}\n" for version in pair)
        assert parse(text.encode()).pins == {"a": (newer, f"sha-{newer[:4]}")}


@pytest.mark.parametrize(
    "line",
    [
        "file",
        f"file {D[0]}",
        f"file {D[0]} dvc",
        f"file {D[0]} dvc ",
        f"file {D[0]}  a",
        "file short dvc a",
        f"file {D[0].upper()[:-1]}G dvc a",
        f"file {D[0]} dvc ../../etc/passwd",
        f"file {D[0]} dvc /etc/passwd",
        f"file {D[0]} dvc ///etc/passwd",
        f"file {D[0]} dvc //../x",
        f"file {D[0]} dvc .git/config",
        "keep dvc ../x",
        "keep dvc",
        "pin a b",
        "pin a b c d",
        "spec zz",
        "mlopsgen",
        "mlopsgen a b",
        "future fact",
        "\ufeff# Written by mlopsgen",
    ],
)
def test_a_line_that_is_none_is_skipped_and_the_lock_is_healed(line: str) -> None:
    lock = parse(f"# x\nmlopsgen 1\n{line}\nspec {D[1]}\n".encode())
    assert lock == Lock("1", D[1], healed=True)


def test_a_file_that_is_both_ours_and_kept_is_ours() -> None:
    lock = parse(f"file {D[0]} dvc a\nkeep dvc a\n".encode())
    assert lock == Lock(files={"a": ("dvc", frozenset([D[0]]))}, healed=True)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"mlopsgen 1\n\0", b"#" * (MAX_LOCK + 1)])
def test_what_cannot_be_read_is_damaged(data: bytes) -> None:
    assert parse(data).damaged


@pytest.mark.parametrize(
    "lock",
    [
        Lock("0.1 0"),
        Lock("1", "nothex"),
        Lock("1", pins={"a b": ("v", "d")}),
        Lock("1", pins={"a": ("v\n", "d")}),
        Lock("1", pins={"a": ("", "d")}),
        Lock("1", files={"a": ("two words", frozenset([D[0]]))}),
        Lock("1", kept={"a": "\n"}),
    ],
)
def test_a_value_that_would_break_its_line_is_our_fault(lock: Lock) -> None:
    with pytest.raises(ValueError, match=r"lock cannot hold|not a digest"):
        write(lock)


def test_the_union_owns_both_contents_and_names_no_inputs() -> None:
    old = Lock(
        "1",
        D[0],
        {"p": ("v1", "x"), "q": ("v1", "x")},
        {"a": ("t", frozenset([D[1]])), "b": ("t", frozenset([D[2]]))},
        {"k": "t", "m": "t"},
    )
    new = Lock(
        "2", D[3], {"p": ("v2", "y")}, {"a": ("u", frozenset([D[4]])), "m": ("t", frozenset([D[5]]))}, {"n": "t"}
    )
    assert union(old, new) == Lock(
        "2",
        "",
        {"p": ("v2", "y"), "q": ("v1", "x")},
        {"a": ("u", frozenset([D[1], D[4]])), "b": ("t", frozenset([D[2]])), "m": ("t", frozenset([D[5]]))},
        {"k": "t", "n": "t"},
    )
