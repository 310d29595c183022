"""OpenTelemetry traces of requests, only where `OTEL_EXPORTER_OTLP_ENDPOINT` says where to send them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mlops_runtime.errors import Mistaken

if TYPE_CHECKING:
    from mlops_runtime.serving.calls import Call
    from mlops_runtime.serving.settings import Settings

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Traces:
    """One span a request, a child of the caller's own where the request carries one (W3C `traceparent`).

    Args:
        settings: of the server.
        version: of the model.
    """

    def __init__(self, settings: Settings, version: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.propagate import extract
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise Mistaken(f"{ENDPOINT} is set, and {error.name} is not installed: install it or unset it") from None
        attributes = {"service.name": settings.name, "deployment.environment.name": settings.environment}
        more = {"service.version": version, "variant": settings.variant}
        self._provider = TracerProvider(resource=Resource.create({**attributes, **more}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("mlops-runtime")
        self._extract = extract

    def begin(self, call: Call) -> Any:
        """Open a span."""
        from opentelemetry.trace import SpanKind

        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in call.headers.items()}
        name = f"{call.method} {call.path}" if call.path.isascii() and len(call.path) < 64 else call.method
        return self._tracer.start_span(name, context=self._extract(carrier), kind=SpanKind.SERVER)

    def end(self, span: Any, call: Call) -> None:
        """Close a span; it tells what the log tells."""
        span.set_attributes(
            {
                "http.request.method": call.method,
                "http.response.status_code": call.status,
                "request.id": call.request_id,
                "outcome": call.outcome,
                "gen_ai.usage.input_tokens": call.input_tokens,
                "gen_ai.usage.output_tokens": call.output_tokens,
            }
        )
        if call.status >= 500:
            from opentelemetry.trace import StatusCode

            span.set_status(StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def configured(settings: Settings, version: str) -> Traces | None:
    """Traces, where the environment says where to send them.

    Raises:
        Mistaken: it does, and OpenTelemetry is not installed.
    """
    return Traces(settings, version) if os.environ.get(ENDPOINT) else None
