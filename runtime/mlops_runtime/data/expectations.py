"""The contract of `data` as Great Expectations suites, and their results in words that name rows.

What concerns single rows is judged chunk by chunk; counts and first rows of the chunks add up. What concerns all rows
(how many, how often the same, how even) is counted while they pass, and then judged on a frame of one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mlops_runtime.data.columns import Columns, fits, text_of, typed

NAMED = 10
"""Rows named of each check."""


class Check(NamedTuple):
    """One expectation and what came of it.

    Attributes:
        name: `column.check`, or the check's name where it concerns all rows.
        expectation: its type in Great Expectations.
        expected: in words.
        observed: in words.
        failed: rows that fail it; of a check on all rows, 0 or 1.
        places: of the first rows that fail it.
    """

    name: str
    expectation: str
    expected: str
    observed: str
    failed: int
    places: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing fails it."""
        return not self.failed


class Rule(NamedTuple):
    """A check on rows of one column: its kind, and the expectation on a column of the frame."""

    column: str
    kind: str
    frame_column: str
    expectation: str
    arguments: Mapping[str, Any]
    expected: str

    @property
    def name(self) -> str:
        """`column.kind`."""
        return f"{self.column}.{self.kind}"


def rules(columns: Columns) -> list[Rule]:
    """Row checks of all columns, in their order."""
    found = []
    for name, column in columns.items():
        if column["required"]:
            found.append(Rule(name, "null", name, "ExpectColumnValuesToNotBeNull", {}, "a value in every row"))
        right = {"value_set": [True]}
        found.append(Rule(name, "type", f"{name}.fits", "ExpectColumnValuesToBeInSet", right, column["type"]))
        if not column["blank"]:
            blank = {"regex": r"^\s*$"}
            expected = "not white space alone"
            found.append(Rule(name, "blank", f"{name}.text", "ExpectColumnValuesToNotMatchRegex", blank, expected))
        if column.get("length"):
            asked = between(column["length"])
            expected = f"{said(column['length'])} characters"
            found.append(Rule(name, "length", f"{name}.text", "ExpectColumnValueLengthsToBeBetween", asked, expected))
        if column.get("range"):
            asked = between(column["range"])
            expected = said(column["range"])
            found.append(Rule(name, "range", f"{name}.number", "ExpectColumnValuesToBeBetween", asked, expected))
    return found


def between(bounds: Mapping[str, Any]) -> dict[str, Any]:
    """Bounds as Great Expectations names them."""
    return {"min_value": bounds.get("min"), "max_value": bounds.get("max")}


def said(bounds: Mapping[str, Any]) -> str:
    """Bounds in words."""
    if bounds == {"max": 0}:
        return "none"
    low, high = (format(v, "g") if isinstance(v, float) else str(v) for v in (bounds.get("min"), bounds.get("max")))
    if bounds.get("min") is None:
        return f"at most {high}"
    return f"at least {low}" if bounds.get("max") is None else f"{low} to {high}"


class Engine:
    """Great Expectations on frames in memory: an ephemeral context, no progress bars, nothing written."""

    def __init__(self) -> None:
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
        asset = context.data_sources.add_pandas("records").add_dataframe_asset("frame")
        self._batches = asset.add_batch_definition_whole_dataframe("whole")
        self._gx = gx

    def expectation(self, type: str, name: str, **arguments: Any) -> Any:
        """An expectation that bears our name for it."""
        return getattr(self._gx.expectations, type)(**arguments, meta={"check": name})

    def judge(self, frame: Any, expectations: Sequence[Any], place: str | None = None) -> dict[str, Any]:
        """Results by our names.

        Args:
            frame: a DataFrame.
            expectations: made by `expectation`.
            place: column with the places of rows.

        Raises:
            RuntimeError: an expectation could not be computed; that is our fault, and nothing passes by it.
        """
        suite = self._gx.ExpectationSuite(name="contract", expectations=list(expectations))
        format: dict[str, Any] = {"result_format": "SUMMARY", "partial_unexpected_count": NAMED}
        if place is not None:
            format["unexpected_index_column_names"] = [place]
        batch = self._batches.get_batch(batch_parameters={"dataframe": frame})
        found = {}
        for result in batch.validate(suite, result_format=format).results:
            configuration = result.expectation_config
            assert configuration is not None
            assert configuration.meta is not None
            name = configuration.meta["check"]
            if any(info.get("raised_exception") for info in _exceptions(result.exception_info)):
                raise RuntimeError(f"Great Expectations could not compute {name}: {result.exception_info}")
            found[name] = result
        return found


def _exceptions(info: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return [info] if "raised_exception" in info else [each for each in info.values() if isinstance(each, Mapping)]


class RowChecks:
    """Row checks over chunks.

    Args:
        engine: that judges.
        columns: the contract.
        textual: the source knows texts only.
    """

    def __init__(self, engine: Engine, columns: Columns, *, textual: bool) -> None:
        self._engine, self._columns, self._textual = engine, columns, textual
        self._rules = rules(columns)
        self._suite = [
            engine.expectation(rule.expectation, rule.name, column=rule.frame_column, **rule.arguments)
            for rule in self._rules
        ]
        self._failed = {rule.name: 0 for rule in self._rules}
        self._judged = {rule.name: 0 for rule in self._rules}
        self._places: dict[str, list[str]] = {rule.name: [] for rule in self._rules}

    def take(self, chunk: Sequence[tuple[Mapping[str, Any], str]]) -> None:
        """Judge some rows: values and place of each."""
        found = self._engine.judge(self._frame(chunk), self._suite, "place")
        for name, result in found.items():
            details = result.result
            self._judged[name] += details["element_count"] - details.get("missing_count", 0)
            self._failed[name] += details["unexpected_count"]
            room = NAMED - len(self._places[name])
            self._places[name] += [each["place"] for each in details.get("partial_unexpected_index_list", [])[:room]]

    def _frame(self, chunk: Sequence[tuple[Mapping[str, Any], str]]) -> Any:
        import pandas as pd  # type: ignore[import-untyped]

        frame: dict[str, Any] = {"place": pd.Series([place for _, place in chunk], dtype=object)}
        for name, column in self._columns.items():
            kind = column["type"]
            values = [values.get(name) for values, _ in chunk]
            held = [None if value is None else typed(value, kind, self._textual) for value in values]
            right = [None if value is None else fits(value, kind) for value in held]
            good = [value if right else None for value, right in zip(held, right, strict=True)]
            frame[name] = pd.Series([None if value is None else True for value in values], dtype=object)
            frame[f"{name}.fits"] = pd.Series(right, dtype=object)
            if kind == "number":
                frame[f"{name}.number"] = pd.Series(good, dtype=float)
            elif kind != "boolean":
                frame[f"{name}.text"] = pd.Series([None if v is None else text_of(v) for v in good], dtype=object)
        return pd.DataFrame(frame)

    def results(self, seen: set[str]) -> list[Check]:
        """What came of all chunks; a column that no row has is not judged row by row.

        Args:
            seen: columns that some row has.
        """
        return [
            Check(
                rule.name,
                rule.expectation,
                rule.expected,
                f"{self._failed[rule.name]} of {self._judged[rule.name]} rows fail",
                self._failed[rule.name],
                tuple(self._places[rule.name]),
            )
            for rule in self._rules
            if rule.column in seen
        ]
