"""How often `mlops-runtime drift` cries wolf, and how often it sees what is there.

2,000 windows without a drift, then 200 for each of four sizes of a shift. Beside ours stands the rule that people start
from: any feature with p < 0.05 (Kolmogorov-Smirnov, chi-square). Run it with `python benchmarks/drift.py`; it takes
about a minute on one core and prints the same numbers each time.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chi2_contingency, ks_2samp

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / folder) for folder in ("runtime", ".")]

from mlops_runtime.data.features import Counts, Features, number_bin  # noqa: E402
from mlops_runtime.data.shift import aligned, compare  # noqa: E402

ALPHA, MIN_EFFECT, SEED = 0.01, 0.05, 20_261_123
REFERENCE = 5_000
SIZES = {100: 500, 500: 1_000, 2_000: 500}
"""Records of a null window, and how many such windows."""
SHIFTS = (0.1, 0.2, 0.3, 0.5)
SHIFTED, RECORDS = 200, 500
"""Windows with a shift, and their records."""
CLASSES = 1 / np.arange(1, 13)
REFERENCES = 20
"""Reference samples that the windows take turns with, so that no lucky one decides."""

Sample = dict[str, Any]


def draw(generator: np.random.Generator, records: int, shift: float = 0.0) -> Sample:
    """Records of a made-up assistant: prompts of about 150 characters, answers of about 400, skewed, and a class.

    `shift` moves the (normal) logarithm of the answer's length by so many standard deviations.
    """
    length = np.maximum(1, np.rint(np.exp(5 + 0.6 * generator.standard_normal(records))))
    words = np.maximum(1, np.rint(length / 6 * np.exp(0.1 * generator.standard_normal(records))))
    answer = np.maximum(1, np.rint(np.exp(6 + 0.8 * (generator.standard_normal(records) + shift))))
    kind = generator.choice(len(CLASSES), size=records, p=CLASSES / CLASSES.sum())
    return {"prompt.length": length, "prompt.words": words, "response.length": answer, "category.category": kind}


def counted(sample: Sample) -> Features:
    """The counts that the runtime keeps of such records."""
    counts = {}
    for name, values in sample.items():
        if name.endswith("category"):
            counts[name] = Counts("class", Counter(map(str, values.tolist())))
        else:
            counts[name] = Counts("number", Counter(map(number_bin, values.tolist())))
    return Features(len(values), counts)


def ours(reference: Features, window: Features, min_effect: float) -> set[str]:
    """Features that the runtime calls drift."""
    found = compare(reference, window, alpha=ALPHA, min_effect=min_effect, whole=False)
    return {name for name, shift in found.items() if shift.state == "drift"}


def fixed(reference: Sample, window: Sample, counts: tuple[Features, Features]) -> set[str]:
    """Features with p < 0.05."""
    found = set()
    for name in window:
        if name.endswith("category"):
            table = np.array(aligned(counts[0].counts[name], counts[1].counts[name]))
            p = chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue
        else:
            p = ks_2samp(reference[name], window[name], method="asymp").pvalue
        if p < 0.05:
            found.add(name)
    return found


def main() -> None:
    """Print both tables."""
    began, generator = time.monotonic(), np.random.default_rng(SEED)
    references = [draw(generator, REFERENCE) for _ in range(REFERENCES)]
    known = [counted(sample) for sample in references]
    print(f"{len(known[0].counts)} features, reference {REFERENCE} records, alpha {ALPHA:g}, seed {SEED}\n")
    print("windows without drift: share in which any feature is called drift")
    print(f"{'records':>9}{'windows':>9}{'ours':>9}{'ours, no floor':>16}{'p < 0.05':>10}")
    totals = np.zeros(3)
    for records, windows in SIZES.items():
        alarms = np.zeros(3)
        for index in range(windows):
            sample, which = draw(generator, records), index % REFERENCES
            window = counted(sample)
            plain = ours(known[which], window, 0.0)
            alarms += [
                bool(plain and ours(known[which], window, MIN_EFFECT)),
                bool(plain),
                bool(fixed(references[which], sample, (known[which], window))),
            ]
        totals += alarms
        print(f"{records:>9}{windows:>9}" + "{:>9.2%}{:>16.2%}{:>10.2%}".format(*(alarms / windows)))
    windows = sum(SIZES.values())
    print(f"{'all':>9}{windows:>9}" + "{:>9.2%}{:>16.2%}{:>10.2%}".format(*(totals / windows)) + "\n")
    print(f"{SHIFTED} windows of {RECORDS} records with longer answers: share in which that feature is called drift")
    print(f"{'shift':>9}{'ours':>9}{'p < 0.05':>10}")
    for shift in SHIFTS:
        hits = np.zeros(2)
        for index in range(SHIFTED):
            sample, which = draw(generator, RECORDS, shift), index % REFERENCES
            window = counted(sample)
            both = (known[which], window)
            found = ours(known[which], window, MIN_EFFECT), fixed(references[which], sample, both)
            hits += ["response.length" in each for each in found]
        print(f"{shift:>7.1f} σ" + "{:>9.1%}{:>10.1%}".format(*(hits / SHIFTED)))
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
