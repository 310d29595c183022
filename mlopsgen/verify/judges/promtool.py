"""promtool: rules, their tests, configurations of Prometheus."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

from mlopsgen.verify import words
from mlopsgen.verify.judge import Answer, Judge, Remark, Run, Said, unreadable
from mlopsgen.verify.layout import Layout

_RULE = re.compile(r"^(?:(\d+):(\d+): )?group \"[^\"]*\", rule \d+, \"([^\"]*)\": (.+)$")
_DUPLICATE = re.compile(r"^Metric: (\S+)$", re.MULTILINE)
_TEST = re.compile(r"^ *(?:expr: (\"(?:[^\"\\]|\\.)*\")|alertname: ([^,]+)), time: (\w+),")
_NO_KUBERNETES = "field kubernetes_sd_configs not found"
_UNIT = {"d": 86400, "h": 3600, "m": 60, "s": 1}
NOTE = "this promtool was built without Kubernetes: what is discovered there was not judged"


def _runs(layout: Layout, program: str) -> Iterator[Run]:
    for key in layout.holding("groups:"):
        yield _run(layout, key, ("check", "rules", "--lint=all"), _Rules(layout, key))
    for key in layout.holding("rule_files:", "tests:"):
        yield _run(layout, key, ("test", "rules"), _Tests(layout, key))._replace(seconds=300)
    for key in layout.holding("scrape_configs:"):
        yield _run(layout, key, ("check", "config", "--syntax-only"), _Configuration(layout, key))
        if "\n    kubernetes_sd_configs:" in layout.texts[key]:
            path = layout.path(key) + ".plain.yaml"
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(_without_discovery(layout.texts[key]))
            read = _Configuration(layout, key, os.path.basename(path))
            arguments = ("check", "config", "--syntax-only", os.path.basename(path))
            yield Run(arguments, (key,), read, os.path.dirname(path))


def _run(layout: Layout, key: str, arguments: tuple[str, ...], read: _Reading) -> Run:
    folder, name = os.path.split(layout.path(key))
    return Run((*arguments, name), (key,), read, folder)


def _without_discovery(text: str) -> str:
    """The same lines; those of Kubernetes' discovery are comments."""
    rows, inside = [], False
    for row in text.split("\n"):
        if row.startswith("    ") and not row.startswith("     "):
            inside = row.startswith("    kubernetes_sd_configs:")
        elif not row.startswith("     "):
            inside = False
        rows.append(f"#{row}" if inside else row)
    return "\n".join(rows)


class _Reading:
    """Makes sense of an answer about one file."""

    def __init__(self, layout: Layout, key: str, name: str = "") -> None:
        self.layout, self.key = layout, key
        self.name = name or os.path.basename(layout.path(key))

    def __call__(self, answer: Answer) -> Said:
        """As in `Run`; what follows `FAILED:` on either stream is what is wrong."""
        text = f"{answer.out}\n{answer.err}"
        failed = [part for part in re.split(r"^ *FAILED:", text, flags=re.MULTILINE)[1:] if part.strip()]
        if answer.code not in (0, 1) or (answer.code == 1 and not failed):
            raise unreadable(answer)
        if answer.code == 0 and "SUCCESS" not in answer.out and "rules found" not in answer.out:
            raise unreadable(answer)
        return Said([remark for part in failed for remark in self.remarks(part)])

    def remarks(self, text: str) -> Iterator[Remark]:
        """What a part of the answer says."""
        for prefix in (f"parsing YAML file {self.name}: ", f"{self.name}: "):
            text = text.strip().removeprefix(prefix)
        return words.remarks(self.layout, self.key, text)


class _Rules(_Reading):
    def __call__(self, answer: Answer) -> Said:
        said = super().__call__(answer)
        for metric in _DUPLICATE.findall(answer.out + answer.err):
            line = self._named(metric)
            message = f"{metric} stands there twice with the same labels"
            said.remarks.append(Remark(self.key, line, 0, "warning", message, "duplicate"))
        return said

    def remarks(self, text: str) -> Iterator[Remark]:
        plain = []
        for row in text.strip().splitlines():
            match = _RULE.match(row.removeprefix(f"{self.name}: "))
            if match is None:
                plain.append(row)
                continue
            line = int(match[1]) if match[1] else self.layout.quoted(self.key, match[4]) or self._named(match[3])
            yield Remark(self.key, line, int(match[2] or 0), "error", f"{match[3]}: {match[4]}")
        yield from super().remarks("\n".join(plain))

    def _named(self, name: str) -> int:
        """Line of a rule."""
        rows = self.layout.texts[self.key].split("\n")
        found = re.compile(rf"^ *- (?:alert|record): \"?{re.escape(name)}\"?$")
        return next((number for number, row in enumerate(rows, 1) if found.match(row)), 0)


class _Tests(_Reading):
    def remarks(self, text: str) -> Iterator[Remark]:
        rows = text.strip("\n").split("\n")
        starts = [number for number, row in enumerate(rows) if _TEST.match(row)]
        if not starts:
            for row in dict.fromkeys(row.strip() for row in rows if row.strip()):
                other = self.layout.key(row.partition(": ")[0], os.path.dirname(self.layout.path(self.key)))
                if other and other != self.key:
                    yield from _Rules(self.layout, other).remarks(row)
                else:
                    yield from super().remarks(row)
            return
        for start, following in zip(starts, [*starts[1:], len(rows)], strict=True):
            match = _TEST.match(rows[start])
            assert match is not None
            detail = " ".join(" ".join(rows[start + 1 : following]).split())
            asked = str(json.loads(match[1])) if match[1] else match[2]
            line = self._asked(asked, "expr" if match[1] else "alertname", _seconds(match[3]))
            yield Remark(self.key, line, 0, "error", f"at {match[3]}, {asked}: {detail}")

    def _asked(self, text: str, what: str, seconds: int) -> int:
        """Line of an expectation; of several, the one of that time."""
        rows = self.layout.texts[self.key].split("\n")
        lines = [
            number
            for number, row in enumerate(rows, 1)
            if row.strip().removeprefix("- ") in (f"{what}: {text}", f"{what}: {json.dumps(text)}")
        ]
        near = {line: re.search(r"eval_time: (\w+)", "\n".join(rows[max(0, line - 2) : line + 1])) for line in lines}
        exact = [line for line, time in near.items() if time is not None and _seconds(time[1]) == seconds]
        return (exact or lines or [0])[0]


class _Configuration(_Reading):
    def __call__(self, answer: Answer) -> Said:
        said = super().__call__(answer)
        unknown = [one for one in said.remarks if one.message.startswith(_NO_KUBERNETES)]
        return Said([one for one in said.remarks if one not in unknown], (NOTE,) if unknown else ())


def _seconds(duration: str) -> int:
    return sum(int(number) * _UNIT[unit] for number, unit in re.findall(r"(\d+)([dhms])", duration))


JUDGE = Judge(
    "promtool",
    ("promtool",),
    "it comes with Prometheus: https://prometheus.io/download, or `apt install prometheus`",
    ("--version",),
    _runs,
)
