"""Functions and aggregations of PromQL, with the types of what they take and give."""

from __future__ import annotations

from typing import Literal, NamedTuple

Type = Literal["scalar", "vector", "range", "string"]

S, V, R, T = "scalar", "vector", "range", "string"


class Function(NamedTuple):
    """A function.

    Attributes:
        takes: types of its arguments.
        optional: how many of the last may be left out; -1 when the last may be left out or come again.
        gives: type of the result.
    """

    takes: tuple[str, ...]
    optional: int = 0
    gives: str = V


def _all(names: str, function: Function) -> dict[str, Function]:
    return dict.fromkeys(names.split(), function)


FUNCTIONS: dict[str, Function] = {
    **_all(
        "abs absent ceil exp floor histogram_avg histogram_count histogram_stddev histogram_stdvar histogram_sum ln "
        "log10 log2 sgn sort sort_desc sqrt timestamp acos acosh asin asinh atan atanh "
        "cos cosh sin sinh tan tanh deg rad",
        Function((V,)),
    ),
    **_all(
        "absent_over_time avg_over_time changes count_over_time delta deriv first_over_time idelta increase irate "
        "last_over_time mad_over_time max_over_time min_over_time present_over_time rate resets stddev_over_time "
        "stdvar_over_time sum_over_time ts_of_first_over_time ts_of_last_over_time ts_of_max_over_time "
        "ts_of_min_over_time",
        Function((R,)),
    ),
    **_all(
        "day_of_month day_of_week day_of_year days_in_month hour minute month year",
        Function((V,), 1),
    ),
    "clamp": Function((V, S, S)),
    "clamp_max": Function((V, S)),
    "clamp_min": Function((V, S)),
    "double_exponential_smoothing": Function((R, S, S)),
    "histogram_fraction": Function((S, S, V)),
    "histogram_quantile": Function((S, V)),
    "holt_winters": Function((R, S, S)),
    "info": Function((V, V), 1),
    "label_join": Function((V, T, T, T), -1),
    "label_replace": Function((V, T, T, T, T)),
    "pi": Function((), 0, S),
    "predict_linear": Function((R, S)),
    "quantile_over_time": Function((S, R)),
    "round": Function((V, S), 1),
    "scalar": Function((V,), 0, S),
    "sort_by_label": Function((V, T), -1),
    "sort_by_label_desc": Function((V, T), -1),
    "time": Function((), 0, S),
    "vector": Function((S,)),
}

AGGREGATIONS: dict[str, str] = {
    **dict.fromkeys(["sum", "avg", "count", "min", "max", "group", "stddev", "stdvar"], ""),
    **dict.fromkeys(["topk", "bottomk", "quantile", "limitk", "limit_ratio"], S),
    "count_values": T,
}
"""Name, and the type of a first argument that is no vector."""

BINDING = {
    **dict.fromkeys(["or"], 1),
    **dict.fromkeys(["and", "unless"], 2),
    **dict.fromkeys(["==", "!=", "<=", "<", ">=", ">"], 3),
    **dict.fromkeys(["+", "-"], 4),
    **dict.fromkeys(["*", "/", "%", "atan2"], 5),
    "^": 6,
}
"""How tightly operators bind; unary signs bind like `*`."""

COMPARISONS = ("==", "!=", "<=", "<", ">=", ">")
SETS = ("and", "or", "unless")
