"""Near-duplicates are found, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable

from mlops_runtime.data.sketch import BYTES, THRESHOLD, Sketches, clusters, near, similarity


def sketched(texts: list[str]) -> Sketches:
    found = Sketches()
    for text in texts:
        found.add(text)
    return found


def varied(text: str, share: float, generator: random.Random, other: Callable[..., str]) -> str:
    return " ".join(other(1) if generator.random() < share else word for word in text.split())


def test_every_near_duplicate_is_found_and_no_other(sentences: Callable[..., str]) -> None:
    generator = random.Random(1)
    base = [sentences(generator.randint(5, 80)) for _ in range(600)]
    texts = base + [varied(text, generator.choice([0.02, 0.05, 0.1]), generator, sentences) for text in base]
    true = {i for i in range(600) if similarity(texts[i], texts[i + 600]) >= THRESHOLD}
    assert 200 < len(true) < 590
    found = set(near(sketched(texts), texts.__getitem__, lambda one, other: False))
    assert all(similarity(texts[a], texts[b]) >= THRESHOLD for a, b in found)
    missed = true - {a for a, b in found if b == a + 600}
    assert len(missed) <= 2


def test_case_punctuation_and_white_space_make_no_other_text() -> None:
    assert similarity("Where is my order?", "where  is my ORDER") == 1
    assert similarity("a", "b") == 0
    assert similarity("", "") == 1
    assert similarity("?", "!") == 0


def test_clusters_begin_with_their_first_text(sentences: Callable[..., str]) -> None:
    one, other = sentences(60), sentences(60)
    texts = [other, one, one + "!", sentences(60), one + " and", other.upper(), one + " and so"]
    assert clusters(sketched(texts), texts.__getitem__) == [0, 1, 1, 3, 1, 0, 1]


def test_a_large_bucket_costs_no_square(sentences: Callable[..., str]) -> None:
    text, judged = sentences(60), 0
    texts = [f"{text} {number}" for number in range(600)]

    def given(index: int) -> str:
        nonlocal judged
        judged += 1
        return texts[index]

    assert set(clusters(sketched(texts), given)) == {0}
    assert judged < 10 * len(texts)


def test_no_text_at_all() -> None:
    assert clusters(Sketches(), str) == []


def test_memory_of_a_text(sentences: Callable[..., str]) -> None:
    import tracemalloc

    texts = [sentences(20) for _ in range(2000)]
    sketched(texts[:300])
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    held = sketched(texts)
    list(held.candidates())
    grown = (tracemalloc.get_traced_memory()[0] - before) / len(texts)
    tracemalloc.stop()
    print(f"{grown:.0f} bytes a text")
    assert grown < BYTES * 1.2
