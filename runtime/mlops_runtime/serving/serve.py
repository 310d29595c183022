"""`mlops-runtime serve`: load, listen, serve, and end without anybody noticing."""

from __future__ import annotations

import asyncio
import math
import os
from typing import Any

import uvicorn

from mlops_runtime.errors import Mistaken
from mlops_runtime.serving import app, drain, gpu, logs, model, settings
from mlops_runtime.serving.engines.base import Engine
from mlops_runtime.serving.model import Model
from mlops_runtime.serving.service import Service, made
from mlops_runtime.serving.settings import Settings
from mlopsgen.contract import ports

KEEP_ALIVE = 30
"""Seconds that an idle connection stays open; the routers in front close theirs before."""

BACKLOG = 2048

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def serve() -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        Exit code.

    Raises:
        Mistaken: settings, model or engine do not allow it.
    """
    given = settings.read()
    token = settings.token(given)
    logs.install()
    logs.say("loading", model=given.model_uri, variant=given.variant, engine=given.engine)
    found = model.found(given)
    service = made(given, found, engine(given, found), token)
    with asyncio.Runner(loop_factory=_loop()) as runner:
        return runner.run(run(service, given.host))


def engine(given: Settings, found: Model) -> Engine:
    """The engine that the settings name; not started."""
    longest = given.max_input_tokens + given.max_output_tokens
    dtype = DTYPES.get(given.precision or "")
    if given.engine == "transformers":
        from mlops_runtime.serving.engines.local import LocalEngine

        assert found.folder is not None
        return LocalEngine(found.folder, dtype=dtype, longest=longest, threads=threads(given.cpu))
    if given.engine == "vllm":
        from mlops_runtime.serving.engines.vllm import VllmEngine

        return VllmEngine(found, dtype=dtype, longest=longest, gpus=given.gpu)
    from mlops_runtime.serving.engines.custom import CustomEngine

    assert given.address is not None
    return CustomEngine(given.address, found.name, given, longest)


def threads(cpu: float | None) -> int | None:
    """Threads of torch: the cores that this server asked for, which a container does not show it.

    Args:
        cpu: cores; None when they are not known.

    Returns:
        At least one; None leaves it to torch, as `OMP_NUM_THREADS` does.
    """
    if cpu is None or os.environ.get("OMP_NUM_THREADS"):
        return None
    return max(1, min(math.ceil(cpu), os.cpu_count() or 1))


async def run(service: Service, host: str = ports.EVERYWHERE) -> int:
    """Serve in this event loop.

    Args:
        service: that is served; its engine is started and closed here.
        host: address to listen at.

    Returns:
        Exit code.

    Raises:
        Mistaken: the engine does not start.
    """
    config = uvicorn.Config(
        app.made(service),
        host=host,
        port=service.settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=math.ceil(service.settings.timeout + drain.MARGIN),
        h11_max_incomplete_event_size=1 << 16,
        lifespan="off",
        loop="none",
        http="httptools",
    )
    server = drain.Server(config, service.drain)
    starting = asyncio.create_task(_start(service, server))
    try:
        await server.serve()
    except SystemExit as error:
        raise Mistaken(f"port {service.settings.port} cannot be listened at: is another server running?") from error
    finally:
        starting.cancel()
        await asyncio.wait([starting])
        await service.engine.close()
        if service.traces is not None:
            await asyncio.to_thread(service.traces.close)
    if service.drain.failure is not None:
        raise service.drain.failure
    logs.say("stopped")
    return 0


async def _start(service: Service, server: drain.Server) -> None:
    """Start the engine while probes are already answered, then watch the GPUs."""
    try:
        await service.engine.start()
    except Exception as error:
        service.drain.failure = error
        server.should_exit = True
        return
    service.admission.open(service.engine.slots)
    service.drain.warm = True
    logs.say("ready", model=service.model.name, version=service.model.version, slots=service.engine.slots)
    if service.settings.gpu:
        await gpu.watch(service)


def _loop() -> Any:
    """uvloop's loop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
