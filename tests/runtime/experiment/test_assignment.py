"""Who sees the challenger: fixed vectors, nobody leaves, no two salts alike."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlops_runtime.errors import Mistaken
from mlops_runtime.experiment.assignment import arm, position, pseudonym

VECTORS = {
    ("answers-v3", "anna"): 0xBD0CBE2C574AD,
    ("answers-v3", "bert"): 0xEAA3B7F619AFE,
    ("answers-v4", "anna"): 0x976D9390EAADA,
    ("answers-v3", "Zoë 🦦"): 0x17759303B366A,
    ("s", "0"): 0x21D0725006CF0,
}
"""The first 13 hexadecimal digits of `printf '%s' SALT:USER | sha256sum`."""

users = st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable())


@pytest.mark.parametrize(("salt", "user"), VECTORS)
def test_fixed_vectors(salt: str, user: str) -> None:
    assert position(salt, user) == VECTORS[salt, user] / 16**13


def test_another_language_agrees() -> None:
    told = subprocess.run(["sha256sum"], input=b"answers-v3:anna", capture_output=True, check=True).stdout
    assert position("answers-v3", "anna") == int(told[:13], 16) / 16**13


def test_no_hash_seed_changes_it() -> None:
    script = "from mlops_runtime.experiment.assignment import position; print(repr(position('a', 'b')))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert seen == {f"{position('a', 'b')!r}\n".encode()}


@given(users, st.floats(0, 1), st.floats(0, 1))
def test_nobody_leaves_while_the_share_grows(user: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert 0 <= position("salt", user) < 1
    assert arm("salt", user, 0.0) == "champion"
    assert arm("salt", user, 1.0) == "canary"
    if arm("salt", user, small) == "canary":
        assert arm("salt", user, large) == "canary"


def test_positions_are_even_and_salts_are_independent() -> None:
    first, second = (np.array([position(salt, f"user-{n}") for n in range(20_000)]) for salt in ("one", "two"))
    counts = np.histogram(first, bins=20, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8  # chi-square with 19 degrees of freedom, p = 0.001
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.025
    both = np.mean((first < 0.1) & (second < 0.1))
    assert abs(both - 0.01) < 0.003


@pytest.mark.parametrize(
    ("salt", "user", "told"),
    [("", "a", "the salt is ''"), ("a:b", "c", "without `:`"), ("a", "", "a user id is empty")],
)
def test_what_could_be_mistaken_is_refused(salt: str, user: str, told: str) -> None:
    with pytest.raises(Mistaken, match=told):
        position(salt, user)


def test_a_pseudonym_is_no_id_and_no_plain_hash() -> None:
    found = pseudonym("assistant/production", b"anna")
    assert len(found) == 16
    assert found == pseudonym("assistant/production", b"anna")
    assert found != pseudonym("assistant/staging", b"anna")
    assert found != pseudonym("assistant/production", b"bert")
    assert found != hashlib.sha256(b"anna").hexdigest()[:16]
