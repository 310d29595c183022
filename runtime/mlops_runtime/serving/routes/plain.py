"""Endpoints about the server itself: alive, ready, metrics, version, models, ratings, recent requests."""

from __future__ import annotations

import math
import time
from typing import Any

from fastapi import Request, Response

from mlops_runtime.exposition import TEXT
from mlops_runtime.serving import problems
from mlops_runtime.serving.calls import Call
from mlops_runtime.serving.replies import reply
from mlops_runtime.serving.routes import generation
from mlops_runtime.serving.schemas import Rating, parsed
from mlops_runtime.serving.service import Service
from mlopsgen.contract import registry

STUCK = 60.0
"""Seconds in which an engine may come back by itself."""


async def health(service: Service, request: Request) -> Response:
    """Whether the process is alive: a start of it may help when an engine inside of it stays broken, and only then."""
    now = time.monotonic()
    if service.engine.healthy or not service.drain.warm or service.settings.engine != "transformers":
        service.drain.healthy = now
    if now - service.drain.healthy > STUCK:
        return reply({"status": "the engine is broken"}, 503)
    return reply({"status": "ok"})


async def ready(service: Service, request: Request) -> Response:
    """Whether requests should be sent here."""
    if service.ready:
        return reply({"status": "ready"})
    state = "draining" if service.drain.started else "loading" if not service.drain.warm else "engine unavailable"
    return reply({"status": state}, 503)


async def metrics(service: Service, request: Request) -> Response:
    """What Prometheus scrapes: the app's own families, and the engine's where it has some."""
    more = b""
    exported: Any = getattr(service.engine, "exported", None)
    if exported is not None:
        more = await exported()
    return Response(service.metrics.text() + more, headers={"content-type": TEXT})


async def version(service: Service, request: Request) -> Response:
    """What runs here."""
    model, settings = service.model, service.settings
    return reply(
        {
            "model": model.name,
            "version": model.version,
            "semantic_version": model.tags.get(registry.TAG_SEMANTIC_VERSION),
            "variant": settings.variant,
            "environment": settings.environment,
            "task": settings.task,
            "engine": settings.engine,
            "model_digest": model.tags.get(registry.TAG_MODEL_DIGEST),
            "data_digest": model.data_digest,
            "spec_digest": model.spec_digest,
            "preprocessing_digest": model.preprocessing_digest,
        }
    )


async def models(service: Service, request: Request) -> Response:
    """The one model, as OpenAI lists it."""
    return reply(generation.listed(service))


async def feedback(service: Service, request: Request) -> Response:
    """Take the rating of an answer."""
    call: Call = request.scope["call"]
    body = parsed(Rating, await call.body(request.receive, 4096))
    service.feedback.rate(body.id)
    service.metrics.rating.observe(body.rating)
    call.rating = body.rating
    return reply({"id": body.id, "rating": body.rating})


async def recent(service: Service, request: Request) -> Response:
    """Counts of recent requests."""
    given = request.query_params.get("since", "0")
    try:
        since = float(given)
    except ValueError:
        since = math.nan
    if not math.isfinite(since):
        raise problems.invalid("since is no number of seconds since 1970", "since")
    return reply(service.recent.document(since))
