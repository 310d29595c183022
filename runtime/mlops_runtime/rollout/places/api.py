"""The few calls of a Kubernetes API that a rollout makes, through the official client: addresses, credentials, TLS."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from mlops_runtime.errors import Mistaken
from mlops_runtime.rollout.places.base import Conflict, Unreachable

TIMEOUT = 10.0
"""Seconds that a call may take."""

MERGE = "application/merge-patch+json"
PATCH = "application/json-patch+json"


def now() -> str:
    """The time as Kubernetes' `MicroTime` has it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Absent(Exception):
    """There is no such object."""


class Api:
    """A Kubernetes API.

    Args:
        client: `kubernetes.client.ApiClient`; None for the one of the pod, or else of `KUBECONFIG`.

    Raises:
        Mistaken: there are no credentials.
    """

    def __init__(self, client: Any = None) -> None:
        self._client = client if client is not None else _found()

    def get(self, path: str) -> dict[str, Any]:
        """An object.

        Raises:
            Absent: there is none.
            Unreachable: the API does not answer, or refuses.
        """
        return self._call("GET", path)

    def patch(self, path: str, body: Any, form: str = MERGE) -> dict[str, Any]:
        """Change an object; with `metadata.resourceVersion` in a merge patch only if it is still that version.

        Raises:
            Conflict: it is not, or a `test` of a JSON patch failed.
            Absent: there is none.
            Unreachable: the API does not answer, or refuses.
        """
        return self._call("PATCH", path, body, form)

    def create(self, path: str, body: Any) -> dict[str, Any]:
        """Make an object.

        Raises:
            Conflict: there is one of that name.
            Unreachable: the API does not answer, or refuses.
        """
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: Any = None, form: str = "application/json") -> dict[str, Any]:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json", **({"Content-Type": form} if body is not None else {})}
        try:
            request = self._client.param_serialize(
                method=method, resource_path=path, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            response = self._client.call_api(*request, _request_timeout=TIMEOUT)
            content = response.read()
        except ApiException as error:
            raise Unreachable(f"{method} {path}: {error.status or ''} {error.reason}") from None
        except (HTTPError, OSError) as error:
            raise Unreachable(f"{method} {path}: {error}") from None
        return _answer(method, path, response.status, content)


def _answer(method: str, path: str, status: int, content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = {}
    if status in (200, 201, 202) and isinstance(found, dict):
        return found
    said = str(found.get("message", "")) if isinstance(found, dict) else ""
    if status == 404:
        raise Absent(path)
    # A failed `test` of a JSON patch is a 422 to the API server.
    if status == 409 or (status == 422 and "test" in said and "operation" in said):
        raise Conflict(said or path)
    raise Unreachable(f"{method} {path}: {status} {said[:300]}")


def _found() -> Any:
    from kubernetes import client
    from kubernetes import config as untyped

    config: Any = untyped
    try:
        config.load_incluster_config()
    except config.ConfigException:
        try:
            config.load_kube_config()
        except (config.ConfigException, OSError) as error:
            raise Mistaken(
                f"no credentials of a cluster ({error}): set KUBECONFIG, or run it in a pod with a service account"
            ) from None
    return client.ApiClient()
