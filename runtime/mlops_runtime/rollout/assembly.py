"""From settings to a place with its router, and to a controller."""

from __future__ import annotations

from typing import Any

from mlops_runtime.errors import Mistaken
from mlops_runtime.rollout.controller import Controller
from mlops_runtime.rollout.exposition import Values
from mlops_runtime.rollout.observation import Observer
from mlops_runtime.rollout.places.base import Place
from mlops_runtime.rollout.records import Registry
from mlops_runtime.rollout.routers import gateway, istio, nginx, weights
from mlops_runtime.rollout.routers.base import Router
from mlops_runtime.rollout.routers.envoy import Envoy
from mlops_runtime.rollout.settings import Settings


def place(settings: Settings, api: Any = None) -> Place:
    """The place that settings describe.

    Args:
        settings: of the controller.
        api: of the cluster; found by itself when None.

    Raises:
        Mistaken: no credentials, or an engine that this controller does not drive.
    """
    whole = weights.total(settings.steps)
    if settings.local is not None:
        from mlops_runtime.rollout.places.local import Local

        return Local(settings.local, Envoy(whole), registry(settings).challenger)
    from mlops_runtime.rollout.places.api import Api
    from mlops_runtime.rollout.places.cluster import Cluster

    assert settings.cluster is not None
    router, path = _router(settings, whole)
    return Cluster(api if api is not None else Api(), settings.cluster, router, path)


def _router(settings: Settings, whole: int) -> tuple[Router, str]:
    """The router and the path of its object in the API."""
    names = settings.cluster or {}
    space, name = names["namespace"], names["route"]
    if settings.engine == "nginx":
        return nginx.Nginx(), f"/api/v1/namespaces/{space}/configmaps/{name}"
    if settings.engine == "istio":
        found: Router = istio.Istio(names["rules"]["main"], names["rules"]["testers"], whole)
        kind = (istio.GROUP, istio.VERSION, istio.PLURAL)
    elif settings.engine == "gateway-api":
        found = gateway.Gateway(names["canary"], names["champion"], whole)
        kind = (gateway.GROUP, gateway.VERSION, gateway.PLURAL)
    else:
        raise Mistaken(f"{settings.engine} moves the weights by itself: this controller is not for it")
    group, version, plural = kind
    return found, f"/apis/{group}/{version}/namespaces/{space}/{plural}/{name}"


def registry(settings: Settings) -> Registry:
    """The registered model."""
    return Registry(settings.model, settings.keep)


def controller(settings: Settings, values: Values) -> Controller:
    """The controller of an environment."""
    observer = Observer(settings.prometheus, settings.model, settings.environment, settings.buckets)
    return Controller(settings, place(settings), observer, registry(settings), values)
