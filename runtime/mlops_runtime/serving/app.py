"""The application: which path goes where, and what its OpenAPI document says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from mlops_runtime.serving import gate, problems
from mlops_runtime.serving.routes import chat, completions, plain, predict
from mlops_runtime.serving.schemas import Chat, Completion, Prediction, Rating
from mlops_runtime.serving.service import Service
from mlopsgen.contract import ports

Handler = Callable[[Service, Request], Awaitable[Response]]

POSTS: dict[str, tuple[Handler, type[BaseModel]]] = {
    ports.PREDICT: (predict.predict, Prediction),
    ports.COMPLETIONS: (completions.completions, Completion),
    ports.CHAT: (chat.chat, Chat),
    ports.FEEDBACK: (plain.feedback, Rating),
}
GETS: dict[str, Handler] = {
    ports.HEALTH: plain.health,
    ports.READY: plain.ready,
    ports.METRICS: plain.metrics,
    ports.VERSION: plain.version,
    ports.MODELS: plain.models,
    ports.FEATURES: plain.recent,
}

_REF = "#/components/schemas/{model}"
_ERRORS = {
    400: "The request makes no sense, or its prompt is too long.",
    401: "The bearer token is missing or wrong.",
    404: "There is no such model, answer or path.",
    405: "The path takes another method.",
    408: "The body did not arrive in time.",
    409: "The answer was rated before.",
    413: "The body is too large.",
    429: "Too many requests: `Retry-After` says when to come back.",
    503: "The engine is loading or down, or the server stops.",
    504: "No answer before the deadline.",
}
_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        }
    },
}


def made(service: Service) -> Any:
    """The ASGI application.

    Args:
        service: what is served.
    """
    app = FastAPI(
        title=service.model.name,
        version=service.model.version,
        openapi_url=gate.SCHEMA,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for path, (handler, body) in POSTS.items():
        content = {"application/json": {"schema": {"$ref": _REF.format(model=body.__name__)}}}
        extra = {"requestBody": {"required": True, "content": content}}
        _add(app, service, path, "POST", handler, extra)
    for path, handler in GETS.items():
        _add(app, service, path, "GET", handler, {})
    app.add_exception_handler(HTTPException, _told)
    described = app.openapi

    def openapi() -> dict[str, Any]:
        document = described()
        _, found = models_json_schema([(body, "validation") for _, body in POSTS.values()], ref_template=_REF)
        document.setdefault("components", {})["schemas"] = {**found["$defs"], "Error": _ERROR}
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    app.add_middleware(gate.Gate, service=service)
    return app


def _add(app: FastAPI, service: Service, path: str, method: str, handler: Handler, extra: dict[str, Any]) -> None:
    async def endpoint(request: Request) -> Response:
        return await handler(service, request)

    error = {"content": {"application/json": {"schema": {"$ref": _REF.format(model="Error")}}}}
    responses: dict[int | str, dict[str, Any]] = {code: {"description": t, **error} for code, t in _ERRORS.items()}
    app.add_api_route(
        path,
        endpoint,
        methods=[method],
        name=handler.__name__,
        summary=(handler.__doc__ or "").split("\n")[0],
        response_model=None,
        response_class=Response,
        responses=responses,
        openapi_extra=extra or None,
    )


async def _told(request: Request, error: Exception) -> Response:
    """Errors of routing in the shape of all others."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    message = {404: f"there is nothing at {request.url.path}", 405: "this path takes another method"}
    problem = problems.Problem(
        error.status_code, message.get(error.status_code, str(error.detail)), code, headers=error.headers
    )
    headers = {"content-type": "application/json", **problem.headers}
    return Response(problem.encoded(), problem.status, headers)
