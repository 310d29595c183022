"""Scalar types of the language: units are part of values, names follow the systems that will read them.

Each type is an annotated Python scalar. A value that does not parse raises `Mistake` whose type is
a key of `mlopsgen.spec.findings.CODE_OF`, which gives the diagnostic code.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from mlopsgen.spec.base import AfterValidator, BeforeValidator, Mistake, PlainValidator, Strict, WithJsonSchema

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = r"^(?=.*[1-9])([0-9]+(\.[0-9]+)?(ms|s|m|h|d|w))+$"
_SHARE = r"^[0-9]+(\.[0-9]+)?%$"
_MEMORY = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)$"
_PATH = r"^(?![/~])(?![A-Za-z]:)(?!(?:.*/)?\.{0,2}(?:/|$))[^\\\s\x00-\x1f\x7f-\xa0]+$"
_CRON_NUMBERS = ("[0-5]?[0-9]", "(?:[01]?[0-9]|2[0-3])", "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])", "0?[0-7]")
_CRON_ITEMS = [rf"(?:\*|{n}(?:-{n})?)(?:/(?:0?[1-9]|[1-9][0-9]))?" for n in _CRON_NUMBERS]
_CRON = r"^\s*" + r"\s+".join(f"{item}(?:,{item})*" for item in _CRON_ITEMS) + r"\s*$"
_CPU = r"^([0-9]+(\.[0-9]+)?|[0-9]+m)$"


def _duration(value: Any) -> float:
    if not isinstance(value, str) or not re.fullmatch(_DURATION, value):
        raise Mistake("duration", "{found} is not a duration", {"found": _shown(value), "hint": _duration_hint(value)})
    seconds = sum(float(n) * SECONDS[unit] for n, unit in re.findall(r"([0-9.]+)(ms|[smhdw])", value))
    if not 0.001 <= seconds <= 10 * 366 * 86400:
        raise Mistake("range", "{found} is not between 1ms and ten years", {"found": value})
    return round(seconds, 3)


def _duration_hint(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"give a unit, such as `{value}s` or `{value}m`"
    return "write a number and a unit without a space: `500ms`, `30s`, `10m`, `1h30m`, `7d`"


def _share(value: Any) -> float:
    if isinstance(value, str) and re.fullmatch(_SHARE, value):
        number = float(value[:-1]) / 100
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    else:
        raise Mistake("share", "{found} is not a share", {"found": _shown(value), "hint": "write `5%` or `0.05`"})
    if not 0 <= number <= 1:
        hint = (
            f"did you mean `{value}%`?" if not isinstance(value, str) and 1 < number <= 100 else "write `5%` or `0.05`"
        )
        raise Mistake("share", "{found} is more than the whole", {"found": _shown(value), "hint": hint})
    return round(number, 9) if isinstance(value, str) else number


def _limit(value: Any) -> float:
    if isinstance(value, str) and re.fullmatch(_SHARE, value):
        return round(float(value[:-1]) / 100, 9)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e300:
        return float(value)
    raise Mistake(
        "share", "{found} is not a limit", {"found": _shown(value), "hint": "write a number or a share: `2.0`, `85%`"}
    )


def _targets(value: Any) -> Any:
    if isinstance(value, str) and value in ("all-linear", "attention"):
        return value
    if (
        isinstance(value, list)
        and value
        and all(isinstance(v, str) and re.fullmatch(r"[A-Za-z0-9_.]+", v) for v in value)
    ):
        return tuple(value)
    raise Mistake(
        "literal_error",
        "{found} does not name modules",
        {"found": _shown(value), "hint": "write `all-linear`, `attention` or a list of module names", "expected": ""},
    )


def _labels(value: Any) -> Any:
    if value == []:
        raise Mistake("range", "no label is given", {"hint": "name at least one, such as `ubuntu-latest`"})
    return [value] if isinstance(value, str) else value


def _cpu(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 100_000:
        return format(value, "g")
    if isinstance(value, str) and re.fullmatch(_CPU, value):
        return value
    raise Mistake(
        "quantity",
        "{found} is not a number of CPUs",
        {"found": _shown(value), "hint": "write cores (`4`, `0.5`) or thousandths of a core (`500m`)"},
    )


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class Pattern:
    """A check of text by its form and length; compiled rules refer to it by its place in `PATTERNS`."""

    __slots__ = ("hint", "kind", "limit", "pattern", "what")

    def __init__(self, kind: str, what: str, pattern: str, hint: str, limit: int) -> None:
        self.kind = kind
        self.what = what
        self.pattern = pattern
        self.hint = hint
        self.limit = limit
        PATTERNS.append(self)

    def __call__(self, value: str) -> str:
        context: dict[str, Any] = {"found": _shown(value), "hint": self.hint}
        if len(value) > self.limit:
            context |= {"length": len(value), "limit": self.limit}
            raise Mistake(self.kind, "{found} is {length} characters long, " + self.what + " may have {limit}", context)
        if not re.fullmatch(self.pattern, value):
            raise Mistake(self.kind, "{found} is not " + self.what, context)
        return value


PATTERNS: list[Pattern] = []


def _pattern(kind: str, what: str, pattern: str, hint: str, limit: int = 253) -> Any:
    """A string that must match `pattern` and be at most `limit` characters long."""
    schema = {"type": "string", "pattern": f"^(?:{pattern})$", "maxLength": limit}
    return Annotated[str, AfterValidator(Pattern(kind, what, pattern, hint, limit)), WithJsonSchema(schema)]


def _relative(value: str) -> str:
    parts = value.split("/")
    reason = ""
    if value.startswith(("/", "~")) or re.match(r"^[A-Za-z]:", value):
        reason = "is absolute"
    elif "\\" in value:
        reason = "holds a backslash"
    elif ".." in parts:
        reason = "leaves the folder"
    elif any(c.isspace() for c in value):
        reason = "holds white space"
    elif not value or "" in parts or "." in parts or not value.isprintable():
        reason = "is not a plain path"
    if reason:
        raise Mistake(
            "path",
            "path {found} {reason}",
            {"found": _shown(value), "reason": reason, "hint": "give a path below the folder of mlops.yaml, with `/`"},
        )
    return value


def _cron(value: str) -> str:
    limits = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
    fields = value.split()
    good = len(fields) == 5 and all(_cron_field(f, lo, hi) for f, (lo, hi) in zip(fields, limits, strict=True))
    if not good:
        raise Mistake(
            "cron",
            "{found} is not a cron line",
            {
                "found": _shown(value),
                "hint": 'five fields: minute hour day-of-month month day-of-week, as in `"0 3 * * 0"`',
            },
        )
    return value


def _cron_field(text: str, low: int, high: int) -> bool:
    for part in text.split(","):
        match = re.fullmatch(r"(\*|[0-9]{1,2}(?:-([0-9]{1,2}))?)(?:/([0-9]{1,2}))?", part)
        if not match:
            return False
        if match[1] != "*":
            numbers = [int(n) for n in match[1].split("-")]
            if not all(low <= n <= high for n in numbers) or numbers != sorted(numbers):
                return False
        if match[3] is not None and int(match[3]) == 0:
            return False
    return True


Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema({"type": "string", "pattern": _DURATION})]
"""A time span, held in seconds; more than 0 and at most ten years."""

Share = Annotated[
    float,
    BeforeValidator(_share),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": r"^0*(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%$"},
            ]
        }
    ),
]
"""A part of a whole, held as a number from 0 to 1."""

Limit = Annotated[
    float,
    BeforeValidator(_limit),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": -1e300, "maximum": 1e300}, {"type": "string", "pattern": _SHARE}]}
    ),
]
"""A number, or a share written with `%`."""

Modules = Annotated[
    str | tuple[str, ...],
    PlainValidator(_targets),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["all-linear", "attention"]},
                {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": "^[A-Za-z0-9_.]+$"}},
            ]
        }
    ),
]
"""Names of a network's modules, or a word for a group of them."""

Cpu = Annotated[
    str,
    BeforeValidator(_cpu),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 100000},
                {"type": "string", "pattern": _CPU},
            ]
        }
    ),
]
"""A Kubernetes CPU quantity."""

Memory = _pattern("quantity", "a memory quantity", _MEMORY[1:-1], "write a number and a unit: `64Gi`, `512Mi`", 20)
DnsLabel = _pattern(
    "name",
    "a DNS label",
    "[a-z]([a-z0-9-]*[a-z0-9])?",
    "lower-case letters, digits and `-`, beginning with a letter, ending with a letter or digit",
    63,
)
ProjectName = _pattern(
    "name",
    "a DNS label that leaves room for suffixes",
    "[a-z]([a-z0-9-]*[a-z0-9])?",
    "at most 40 lower-case letters, digits and `-`, beginning with a letter",
    40,
)
LabelValue = _pattern(
    "name",
    "a Kubernetes label value",
    "[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?",
    "letters, digits, `.`, `_` and `-`, beginning and ending with a letter or digit",
    63,
)
ObjectRef = _pattern(
    "name",
    "a namespace and a name",
    "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?",
    "write `namespace/name`",
    317,
)
RegistryName = _pattern(
    "name",
    "a name for the MLflow registry",
    r"[A-Za-z0-9][A-Za-z0-9._ -]*",
    "letters, digits, `.`, `_`, `-` and spaces; no `/` and no `:`",
    200,
)
Key = _pattern("name", "a key", r"[A-Za-z_][A-Za-z0-9_]*", "letters, digits and `_`, not beginning with a digit", 63)
FieldName = _pattern(
    "name", "a column name", r"""[^\s.`"'$\\{}\[\]]+""", "no spaces, quotes, dots, brackets or `$`", 100
)
AlertName = _pattern("name", "an alert name", "[A-Za-z_][A-Za-z0-9_]*", "CamelCase letters and digits", 100)
SecretName = _pattern(
    "name",
    "a secret's name",
    r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?",
    "the name of a Kubernetes Secret: letters, digits, `-` and `.`",
    253,
)
SecretKey = _pattern("name", "a secret's key", r"[A-Za-z0-9._-]+", "letters, digits, `.`, `_` and `-`", 253)
Slug = _pattern(
    "name",
    "a GitHub repository",
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}",
    "write `owner/name`",
    140,
)
Branch = _pattern(
    "name",
    "a branch name",
    r"(?!.*(\.\.|//|@\{|/\.|\.lock(/|$)))[A-Za-z0-9_][A-Za-z0-9_./+-]*(?<![./])",
    "a Git branch, without spaces or `..`",
    200,
)
Header = _pattern("header", "an HTTP header name", r"[A-Za-z0-9][A-Za-z0-9-]*", "letters, digits and `-`", 100)
HeaderValue = _pattern(
    "header", "an HTTP header value", r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", "printable ASCII", 200
)
Url = _pattern(
    "url",
    "an http(s) address",
    r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?(?:/[^\s?#]*)?",
    "write `https://host/path`; no user, password, query or fragment",
    2000,
)
HostPort = _pattern(
    "url", "a host and port", r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}", "write `host:port`"
)
Email = _pattern("url", "an e-mail address", r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}", "write `name@host`")
Image = _pattern(
    "image",
    "an image repository",
    r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*",
    "write `registry/owner/name` in lower case, without tag or digest: the release chooses those",
    255,
)
Store = _pattern(
    "url",
    "a storage location",
    r"(?:(?:s3|gs|azure|ssh|http|https)://[A-Za-z0-9._-]+(?::[0-9]{1,5})?(?:/[^\s?#@]*)?|(?!.*(?:^|/)\.\.(?:/|$))[A-Za-z0-9._][^\s:\\]*)",
    "write `s3://bucket/prefix`, or gs, azure, ssh, http, or a folder below mlops.yaml; credentials go elsewhere",
    1000,
)
Revision = _pattern(
    "name", "a revision", r"[A-Za-z0-9][A-Za-z0-9._/-]*", "a commit, tag or branch of the model's repository", 200
)
HubId = _pattern(
    "name", "a model id or folder", r"[A-Za-z0-9._][A-Za-z0-9._/-]*", "write `owner/name` or a folder", 500
)
Step = _pattern(
    "name",
    "a preprocessing step",
    r"[a-z][a-z0-9_]*|[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*",
    "one of strip, nfc, nfkc, lower, collapse_spaces, or `module:function`",
    200,
)
Function = _pattern(
    "name", "a function", r"[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*", "write `module:function`", 200
)
Command = _pattern("name", "a command", r"[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*", "write one line", 1000)
Text = _pattern("name", "a line of text", r"[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*", "write one line, not empty", 500)
Path = Annotated[str, AfterValidator(_relative), WithJsonSchema({"type": "string", "pattern": _PATH})]
"""A path below the folder of mlops.yaml."""

Cron = Annotated[str, AfterValidator(_cron), WithJsonSchema({"type": "string", "pattern": _CRON})]
"""A POSIX cron line in UTC."""

Pointer = _pattern(
    "path", "a JSON pointer", r"(/([^/~]|~[01])*)*", "write `/key/0/key`; `~1` stands for `/`, `~0` for `~`", 2000
)
RoleArn = _pattern(
    "form",
    "the ARN of a role",
    r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+",
    "write `arn:aws:iam::ACCOUNT:role/NAME`",
    500,
)
AwsRegion = _pattern("form", "an AWS region", r"[a-z]{2}(-[a-z]+)+-[0-9]", "as in `eu-west-1`", 50)
IdentityProvider = _pattern(
    "form",
    "a workload identity provider",
    r"projects/[0-9]+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+",
    "write `projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`",
    500,
)
ServiceAccount = _pattern(
    "form",
    "a service account",
    r"[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com",
    "write `NAME@PROJECT.iam.gserviceaccount.com`",
)
MetricName = _pattern(
    "name", "a metric name", "[A-Za-z_:][A-Za-z0-9_:]*", "letters, digits, `_` and `:`, not beginning with a digit", 200
)
Currency = _pattern("form", "a currency", "[A-Z]{3}", "write its ISO 4217 code, such as `USD`", 3)
PythonVersion = _pattern("name", "a Python version", r"3\.1[1-4]", 'write it as text, from `"3.11"` to `"3.14"`', 10)
Runner = _pattern("name", "a runner label", r"[A-Za-z0-9][A-Za-z0-9._-]*", "a label of a GitHub runner", 100)
_LABEL = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": 100}
Runners = Annotated[
    tuple[Runner, ...],  # type: ignore[valid-type]
    Strict(False),
    BeforeValidator(_labels),
    WithJsonSchema({"anyOf": [_LABEL, {"type": "array", "minItems": 1, "items": _LABEL}]}),
]
"""Labels of a GitHub runner: one, or a list that must all match."""
