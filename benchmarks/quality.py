"""How often the quality exporter cries wolf in 30 days, and how soon it sees a shift.

Months of hourly cycles without a drift, at three rates of traffic, then shifts of four sizes in a window of 500
requests. Beside ours stand the two rules that people start from: each hour's window by any feature with p < 0.05, and
by `alpha` anew in each hour. Run it with `python benchmarks/quality.py`; it takes about a quarter of an hour on one
core and prints the same numbers each time.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / folder) for folder in ("runtime", ".")]

from mlops_runtime.data.features import TOKEN_BINS, Counts, Features, number_bin  # noqa: E402
from mlops_runtime.quality.drift import DAY, Looks  # noqa: E402

ALPHA, MIN_EFFECT, EVERY, SEED = 0.01, 0.05, 3600.0, 20_261_123
"""Defaults of mlops.yaml, and a seed."""
REFERENCE = 5_000
REFERENCES = 20
"""Records of a reference, and how many of them months take turns with, so that no lucky one decides."""
CYCLES = int(30 * DAY / EVERY)
MONTHS = {60: 6, 500: 12, 2_000: 6}
"""Requests an hour, and months of them."""
SHIFTS = {0.1: 50, 0.2: 50, 0.3: 200, 0.5: 50}
"""Shifts in standard deviations of the logarithm of a prompt's length, and how many windows with each."""
RECORDS = 500
WORDS = 1 / np.arange(1, TOKEN_BINS + 1)


def draw(generator: np.random.Generator, records: int, shift: float = 0.0) -> Features:
    """What servers count of prompts of about 150 characters."""
    length = np.exp(5 + 0.6 * (generator.standard_normal(records) + shift))
    words = length / 6 * np.exp(0.1 * generator.standard_normal(records))
    tokens = generator.choice(TOKEN_BINS, size=records, p=WORDS / WORDS.sum())
    counts = {
        name: Counts("number", Counter(map(number_bin, np.maximum(1, np.rint(values)).tolist())))
        for name, values in (("prompt.length", length), ("prompt.words", words))
    }
    return Features(records, {**counts, "prompt.tokens": Counts("class", Counter(map(str, tokens.tolist())))})


def naive(reference: Features, window: Features) -> float:
    """Least p of the features by the tests that libraries have."""
    from mlops_runtime.data.shift import aligned
    from scipy.stats import chi2_contingency, ks_2samp

    found = []
    for name, counts in window.counts.items():
        if counts.kind == "class":
            table = np.array(aligned(reference.counts[name], counts))
            found.append(chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue)
        else:
            values = [list(one.counts[name].bins.elements()) for one in (reference, window)]
            found.append(ks_2samp(*values, method="asymp").pvalue)
    return float(min(found))


def month(generator: np.random.Generator, reference: Features, requests: int) -> tuple[int, int, int, int]:
    """Looks that judged, and cycles that raise a false alarm: ours, `alpha` in each cycle, p < 0.05 in each cycle."""
    looks, judged, ours, each, plain = Looks(ALPHA, MIN_EFFECT, 0.0), 0, 0, 0, 0
    for cycle in range(1, CYCLES + 1):
        window = draw(generator, requests)
        look = looks.look(reference, window, cycle * EVERY)
        judged += bool(look.shifts)
        ours += any(found.state == "drift" for found in look.shifts.values())
        p = naive(reference, window)
        each += p < ALPHA / len(window.counts)
        plain += p < 0.05
    return judged, ours, each, plain


def seen(generator: np.random.Generator, reference: Features, shift: float) -> bool:
    """Whether the cycle after a quiet one sees a shift that began between them."""
    looks = Looks(ALPHA, MIN_EFFECT, 0.0)
    looks.look(reference, draw(generator, RECORDS), EVERY)
    found = looks.look(reference, draw(generator, RECORDS, shift), 2 * EVERY).shifts
    return any(one.state == "drift" for one in found.values())


def length_and_words(references: list[Features]) -> None:
    """Print how often the shift of the specification is seen where the two features of its example are watched."""
    generator, few = np.random.default_rng(SEED + 1), ("prompt.length", "prompt.words")
    kept = [Features(one.records, {name: one.counts[name] for name in few}) for one in references]
    hits = sum(seen(generator, kept[n % REFERENCES], 0.3) for n in range(SHIFTS[0.3]))
    print(f"{0.3:>10.1f} σ{SHIFTS[0.3]:>12}{hits / SHIFTS[0.3]:>12.1%}, with length and words only", flush=True)


def referenced(generator: np.random.Generator) -> list[Features]:
    """Counts of training data."""
    return [draw(generator, REFERENCE) for _ in range(REFERENCES)]


def main() -> None:
    """Print both tables."""
    began, generator = time.monotonic(), np.random.default_rng(SEED)
    references = referenced(generator)
    print(f"3 features, reference {REFERENCE} records, alpha {ALPHA:g} a day, a cycle an hour, seed {SEED}\n")
    print("30 days without drift: cycles that raise a false alarm")
    heads = ("requests/h", "months", "looks", "ours, mean", "ours, most", "alpha/cycle", "p < 0.05")
    print("".join(f"{head:>12}" for head in heads), flush=True)
    for requests, months in MONTHS.items():
        found = np.array([month(generator, references[n % REFERENCES], requests) for n in range(months)])
        means = found.mean(axis=0)
        print(
            f"{requests:>12}{months:>12}{means[0]:>12.0f}{means[1]:>12.2f}{found[:, 1].max():>12}"
            f"{means[2]:>12.1f}{means[3]:>12.0f}",
            flush=True,
        )
    print(f"\nshift of the logarithm of prompt lengths, {RECORDS} requests: share seen in the next cycle")
    print(f"{'shift':>12}{'windows':>12}{'seen':>12}", flush=True)
    for shift, windows in SHIFTS.items():
        hits = sum(seen(generator, references[n % REFERENCES], shift) for n in range(windows))
        print(f"{shift:>10.1f} σ{windows:>12}{hits / windows:>12.1%}", flush=True)
    length_and_words(references)
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
