"""Settings of the serving app: those at `MLOPS_CONFIG`, or those of the project in the working directory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mlops_runtime import parameters
from mlops_runtime import settings as file
from mlops_runtime.errors import Mistaken
from mlopsgen.contract import environment, files, ports
from mlopsgen.contract.metrics import LATENCY_BUCKETS, VARIANT, Setup
from mlopsgen.spec.quantity import in_cores

ENGINES = ("transformers", "vllm", "custom")
DRIFT = {"prompt": ("length", "words", "tokens"), "response": ("length", "words", "tokens")}
"""What is counted of requests by role, where the settings name no features."""


class RateLimit(NamedTuple):
    """Requests that one caller may send.

    Attributes:
        requests: per window.
        per: window in seconds.
        by: header that tells callers apart, in lower case; None for the address.
    """

    requests: int
    per: float
    by: str | None


class Experiment(NamedTuple):
    """What the records of users' outcomes need.

    Attributes:
        header: that tells users apart, in lower case.
        salt: of their pseudonyms, the same for champion and canary.
    """

    header: str
    salt: str


class Settings(NamedTuple):
    """What a server is told. No secret is part of it.

    Attributes:
        name: of the model in the registry.
        task: of the model.
        variant: `champion` or `canary`.
        environment: its name.
        model_uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `runs:/ID/PATH` or a folder.
        precision: `fp32`, `bf16` or `fp16` of the weights; None as they are stored.
        preprocess: steps that this deployment expects; None when it says nothing about them.
        engine: one of `ENGINES`.
        address: URL of a custom engine.
        port: to listen on.
        host: address to listen at.
        max_input_tokens: longest prompt.
        max_output_tokens: longest answer.
        timeout: seconds from request to end of answer.
        queue: waiting requests at most.
        rate_limit: per caller.
        auth: whether callers need the bearer token.
        latency_buckets: upper bounds in seconds.
        gpu: GPUs of this server.
        cpu: cores of this server; None when it is not known.
        gpu_hour: price of one for an hour; None when it is not known.
        drift: features by column, as `data.drift.features`; None where the settings do not name them.
        experiment: None where there is none, and no outcome of a user is written.
    """

    name: str
    task: str
    variant: str
    environment: str
    model_uri: str
    precision: str | None = None
    preprocess: tuple[str, ...] | None = None
    engine: str = "transformers"
    address: str | None = None
    port: int = ports.SERVING
    host: str = ports.EVERYWHERE
    max_input_tokens: int = 1024
    max_output_tokens: int = 256
    timeout: float = 30.0
    queue: int = 64
    rate_limit: RateLimit | None = None
    auth: bool = False
    latency_buckets: tuple[float, ...] = LATENCY_BUCKETS
    gpu: int = 0
    cpu: float | None = None
    gpu_hour: float | None = None
    drift: Mapping[str, Sequence[str]] | None = None
    experiment: Experiment | None = None

    @property
    def setup(self) -> Setup:
        """What decides which metric families there are."""
        return Setup(self.engine, self.task, self.gpu > 0, self.gpu_hour is not None)


def read() -> Settings:
    """Settings of this process.

    Raises:
        Mistaken: no settings, settings that are not complete, or an unknown variant.
    """
    path = os.environ.get(environment.CONFIG)
    found = _file(path) if path else _project()
    if found.variant not in VARIANT:
        raise Mistaken(f"{environment.VARIANT} is {found.variant!r}: one of {', '.join(VARIANT)}")
    if found.engine not in ENGINES:
        raise Mistaken(f"`serving.engine` is {found.engine!r}: one of {', '.join(ENGINES)}")
    return found


def token(settings: Settings) -> str | None:
    """The bearer token that callers need; None when they need none.

    Raises:
        Mistaken: the settings ask for a token and the environment has none.
    """
    if not settings.auth:
        return None
    found = os.environ.get(environment.AUTH_TOKEN, "").strip()
    if not found:
        raise Mistaken(f"`serving.auth` is set, and {environment.AUTH_TOKEN} is empty: put the token there")
    return found


def _file(path: str) -> Settings:
    content = file.content(path)
    try:
        model, serving = content["model"], content["serving"]
        uri = (content.get("tracking") or {}).get("uri")
        found = _settings(model, serving, content.get("environment", ""), content.get("drift"))
        found = found._replace(experiment=_experiment(content), host=content.get("host") or ports.EVERYWHERE)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Mistaken(f"{path} holds no settings of the serving app ({error!r}): run `mlopsgen build`") from None
    if uri:
        os.environ.setdefault(environment.TRACKING_URI, uri)
    return found


def _project() -> Settings:
    """The project in this folder: what `dvc repro` left, served as `serving` of mlops.yaml says."""
    from mlopsgen.diagnostics import Failed
    from mlopsgen.spec.load import parse
    from mlopsgen.spec.read import read as text
    from mlopsgen.spec.serving import Serving

    given = parameters.read("model", optional=("train", "drift"))
    serving: dict[str, Any] = {}
    if os.path.exists(parameters.SPEC):
        try:
            node = parse(text(parameters.SPEC), parameters.SPEC).find(("serving",))
        except Failed as error:
            raise Mistaken(f"{parameters.SPEC} cannot be read: {error}; run `mlopsgen validate`") from None
        serving = node.plain() if node is not None else {}
    try:
        found = Serving.model_validate(serving).model_dump()
    except ValueError:
        raise Mistaken(f"`serving` of {parameters.SPEC} is not valid: run `mlopsgen validate`") from None
    found |= {"auth": found["auth"] is not None, "gpu": found["resources"]["gpu"], "cpu": None}
    found["latency_buckets"] = LATENCY_BUCKETS
    model = {"precision": (given.get("train") or {}).get("precision"), **given["model"]}
    return _settings(model, found, "local", {"features": (given.get("drift") or {}).get("features")})


def _settings(
    model: Mapping[str, Any], serving: Mapping[str, Any], name: str, drift: Mapping[str, Any] | None
) -> Settings:
    limit, cost, preprocess = serving["rate_limit"], serving["cost"], model.get("preprocess")
    given = os.environ.get
    return Settings(
        name=str(model["name"]),
        task=str(model["task"]),
        variant=given(environment.VARIANT) or VARIANT[0],
        environment=given(environment.ENVIRONMENT) or name or "local",
        model_uri=given(environment.MODEL_URI) or files.MODEL,
        precision=model.get("precision"),
        preprocess=None if preprocess is None else tuple(preprocess),
        engine=str(serving["engine"]),
        address=_address(serving["address"]),
        port=int(serving["port"]),
        max_input_tokens=int(serving["max_input_tokens"]),
        max_output_tokens=int(serving["max_output_tokens"]),
        timeout=float(serving["timeout"]),
        queue=int(serving["queue"]),
        rate_limit=None
        if limit is None
        else RateLimit(int(limit["requests"]), float(limit["per"]), limit["by"] and str(limit["by"]).lower()),
        auth=bool(serving["auth"]),
        latency_buckets=tuple(float(bound) for bound in serving["latency_buckets"]),
        gpu=int(serving["gpu"]),
        cpu=None if serving["cpu"] is None else in_cores(str(serving["cpu"])),
        gpu_hour=None if cost is None else float(cost["gpu_hour"]),
        drift=(drift or {}).get("features"),
    )


def _experiment(content: Mapping[str, Any]) -> Experiment | None:
    given = content.get("experiment")
    if given is None:
        return None
    salt = f"{content['project']}/{content['environment']}"
    return Experiment(str(given["sticky"]["header"]).lower(), salt)


def _address(variable: str | None) -> str | None:
    if variable is None:
        return None
    found = os.environ.get(variable, "").strip().rstrip("/")
    if not found.startswith(("http://", "https://")):
        raise Mistaken(f"{variable}, named by `serving.address`, holds no URL of an engine: such as http://engine:8000")
    return found.removesuffix("/v1")
