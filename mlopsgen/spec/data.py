"""Section `data`: where records come from, what they must look like, how they are split and watched."""

from __future__ import annotations

from typing import Literal

from mlopsgen.spec.base import Bounds, Items, Mistake, Section, field, model_validator
from mlopsgen.spec.scalars import FieldName, Function, Path, Share, Store

Role = Literal["prompt", "response", "text", "label", "messages", "group", "other"]

ANSWERS: tuple[Role, ...] = ("response", "label")
"""Roles of columns that no request has."""
Feature = Literal["length", "words", "value", "tokens", "category"]


class Column(Section):
    """One column of a record and what holds for its values."""

    type: Literal["text", "category", "number", "boolean", "messages"] = field("text", "Kind of value.", example="text")
    role: Role | None = field(
        None,
        "Part that the column plays in training.",
        example="prompt",
        derived="the column's name: prompt, instruction, input, question; response, output, completion, answer; "
        "text; label, category; messages",
    )
    required: bool = field(True, "A record without it is an error.", example=False)
    length: Bounds[int] | None = field(None, "Length of a text.", unit="characters", example={"min": 10, "max": 2000})
    range: Bounds[float] | None = field(None, "Range of a number.", example={"min": 0, "max": 1})
    blank: bool = field(True, "White space alone is allowed.", example=False)
    max_imbalance: float | None = field(
        None, "Largest class over smallest class.", unit="ratio", example=10, ge=1, allow_inf_nan=False
    )


class Duplicates(Section):
    """How often the same record may come."""

    columns: Items[FieldName] = field(..., "Columns that make two records the same.", example=["prompt"], min_length=1)
    max: Share = field("5%", "Share of records that repeat another.", unit="share", example="5%")


class Split(Section):
    """Splitting comes first; whatever is fitted to data is fitted on the training part only."""

    validation: Share = field("10%", "Part held out for validation.", unit="share", example="10%")
    seed: int = field(42, "Seed of the split.", example=42, ge=0, le=2**32 - 1)
    group_by: FieldName | None = field(
        None, "Records that share this column's value stay on one side.", example="customer"
    )

    @model_validator(mode="after")
    def _leaves_both_parts(self) -> Split:
        if not 0 < self.validation < 1:
            raise Mistake("range", "a split of {found} leaves one part empty", {"found": format(self.validation, "g")})
        return self


class Drift(Section):
    """Comparison of new data with the data a model was trained on."""

    reference: Path = field(
        "champion", "`champion`: the data that the serving champion was trained on; or a path.", example="champion"
    )
    features: dict[FieldName, Items[Feature]] = field(
        {},
        "Features compared, per column.",
        example={"prompt": ["length", "words"]},
        derived="the columns: length and words of texts, category, value",
    )
    alpha: Share = field(
        "1%",
        "False alarms over all features together (Holm): of a comparison, and of the quality exporter a day.",
        unit="share",
        example="1%",
    )
    min_effect: float = field(
        0.05,
        "Kolmogorov-Smirnov or Jensen-Shannon distance below which a shift is no drift, however many rows prove it.",
        unit="distance, 0 to 1",
        example=0.05,
        ge=0,
        le=1,
    )
    action: Literal["warn", "fail", "retrain"] = field("warn", "What a found drift does.", example="warn")


class Data(Section):
    """Raw data and the contract it is held to."""

    raw: Path = field(..., "File or folder of raw records; what `dvc add` tracks.", example="data/raw")
    collect: Function | None = field(
        None,
        "Function that yields the raw records as mappings, `module:function` of a file beside mlops.yaml.",
        example="collect:docstrings",
    )
    remote: Store = field(
        ".dvc/store", "DVC remote: s3, gs, azure, ssh, http or a folder.", example="s3://acme-mlops/dvc-store"
    )
    format: Literal["jsonl", "csv", "parquet"] = field("jsonl", "Format of the records.", example="jsonl")
    rows: Bounds[int] | None = field(None, "Number of raw records.", unit="rows", example={"min": 1000, "max": 1000000})
    columns: dict[FieldName, Column] = field(
        {},
        "Columns of a record.",
        example={"prompt": {"type": "text"}},
        derived="model.task: prompt and response, text, or text and label",
    )
    duplicates: Duplicates | None = field(
        None, "Limit on repeated records; not checked when absent.", example={"columns": ["prompt"], "max": "5%"}
    )
    split: Split = field({}, "Training and validation parts.", example={"validation": "10%"})
    drift: Drift = field({}, "Drift check.", example={"alpha": "1%"})
