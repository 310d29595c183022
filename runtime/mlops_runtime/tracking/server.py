"""The tracking server or local store: where it is, a client for it, and what to say when it does not answer."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from mlops_runtime import parameters
from mlops_runtime.errors import Mistaken
from mlopsgen.contract import environment
from mlopsgen.contract.files import LOCAL_TRACKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

P = ParamSpec("P")
T = TypeVar("T")

LIMITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""MLflow's own would wait for minutes before a server that is down is called down. What the user set stays."""

SILENT = {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
"""MLflow's own bars also stand in logs, where no terminal is."""

TRIES = 8
"""Attempts at a write that met another writer."""

_BUSY = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_CONFLICT", "ABORTED")
_CROSSED = re.compile(r"UNIQUE constraint|IntegrityError|duplicate key|database is locked", re.IGNORECASE)
_LOCAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_CREDENTIALS = re.compile(r"//[^/@\s]+@")


def uri() -> str:
    """Address of the tracking server: the environment's, else the spec's, else SQLite in the working directory."""
    given = os.environ.get(environment.TRACKING_URI) or parameters.project()["tracking"]["mlflow"]["uri"]
    return given or f"sqlite:///{os.path.abspath(LOCAL_TRACKING)}"


def experiment() -> str:
    """Name of the experiment: the environment's, else the spec's, else the project's name."""
    given = os.environ.get(environment.TRACKING_EXPERIMENT)
    return given or parameters.project()["tracking"]["mlflow"]["experiment"]


def shown(address: str) -> str:
    """An address without user and password, for messages."""
    return _CREDENTIALS.sub("//", address)


def exists(address: str) -> bool:
    """Whether something can be there: a local SQLite file that is not there would be made by asking it."""
    return not address.startswith("sqlite:///") or os.path.exists(address.removeprefix("sqlite:///"))


def client() -> MlflowClient:
    """A client of the server at `uri()`; what MLflow's own functions do in this process goes there too."""
    quiet()
    import mlflow

    address = uri()
    mlflow.set_tracking_uri(address)
    mlflow.set_registry_uri(address)
    return mlflow.MlflowClient(address, address)


def quiet() -> None:
    """Import MLflow so that nothing calls home, a server that is down is noticed in seconds, and nothing chatters."""
    for name, value in {**environment.QUIET, **LIMITS, **SILENT}.items():
        os.environ.setdefault(name, value)
    import logging

    import mlflow  # noqa: F401  it sets the levels of its loggers when it is imported

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    # The store logs each collision of two writers with a traceback, before it is tried again here.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


@contextmanager
def answering() -> Iterator[None]:
    """Turns what MLflow raises inside into a `Mistaken` that names the server.

    Raises:
        Mistaken: the server does not answer, refuses, or lacks what was asked for.
    """
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    except (MlflowException, RequestException) as error:
        raise Mistaken(_told(error, shown(uri()))) from None


def _told(error: Exception, address: str) -> str:
    text = shown(" ".join(str(error).split()))
    if "Invalid Host header" in text:
        host = address.partition("//")[2].partition("/")[0]
        name = host.partition(":")[0]
        return (
            f"the tracking server at {address} refuses the name {name}: start it with "
            f"`--allowed-hosts {name},{name}:*` or set MLFLOW_SERVER_ALLOWED_HOSTS"
        )
    if "Max retries exceeded" in text or "Connection" in text or "timed out" in text.lower():
        return (
            f"the tracking server at {address} does not answer: is it up, and is `tracking.mlflow.uri` or "
            f"{environment.TRACKING_URI} right?"
        )
    return f"the tracking server at {address} says: {text[:500]}"


def absent(error: Exception) -> bool:
    """Whether an MLflow exception says that what was asked for is not there."""
    return getattr(error, "error_code", "") in {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}


def passing(error: Exception) -> bool:
    """Whether the same call may succeed a little later: two writers met, or the network failed."""
    code = getattr(error, "error_code", None)
    if code is None:
        return isinstance(error, OSError) and not isinstance(error, _LOCAL)
    text = str(error)
    failed = code == "INTERNAL_ERROR" and ("Max retries" in text or "failed" in text.lower() or "timed out" in text)
    return code in _BUSY or failed or bool(_CROSSED.search(text))


def patient(call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """The result of an idempotent call, tried again when it met another writer.

    Raises:
        MlflowException: the last one, when it was not of that kind or the tries are used up.
    """
    from mlflow.exceptions import MlflowException

    for attempt in range(TRIES):
        try:
            return call(*arguments, **named)
        except MlflowException as error:
            if attempt == TRIES - 1 or not passing(error) or "Max retries" in str(error):
                raise
        time.sleep(0.05 * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311
    raise AssertionError("unreachable")
