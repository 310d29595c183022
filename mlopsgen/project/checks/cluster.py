"""What a cluster would refuse, or could never finish."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mlopsgen.diagnostics import Diagnostic
from mlopsgen.project import derive
from mlopsgen.project.checks.view import Also, View
from mlopsgen.project.deploy import KEEPS_USERS
from mlopsgen.spec.quantity import in_bytes, in_cores


def check(view: View) -> Iterator[Diagnostic]:
    """Replicas, resources, grace and stickiness fit each other."""
    yield from _replicas(view)
    yield from _update(view)
    yield from _limits(view)
    yield from _grace(view)
    yield from _sticky(view)
    yield from _name(view)


def _replicas(view: View) -> Iterator[Diagnostic]:
    replicas, at = view.spec.serving.replicas, ("serving", "replicas")
    if replicas.min_available is not None and replicas.min_available >= replicas.min:
        message = f"{replicas.min_available} of {replicas.min} pods must stay, so no node can ever be drained"
        help = f"make it at most {replicas.min - 1}" if replicas.min > 1 else "drop it, or have two replicas"
        also: Also = (("the replicas", (*at, "min")),)
        yield view.finding("E233", message, *at, "min_available", help=help, also=also)
    wanted, queue = derive.replicas(replicas).scale_on, view.spec.serving.queue
    if wanted is not None and wanted.queue_depth >= queue:
        message = f"no server ever has {wanted.queue_depth} waiting requests: beyond {queue} it answers 429"
        also = (("the queue", ("serving", "queue")),)
        path = (*at, "scale_on", "queue_depth")
        place = path if view.tree.find(path) is not None else ("serving", "queue")
        yield view.finding("E239", message, *place, help="lower `queue_depth`, or lengthen the queue", also=also)


def _update(view: View) -> Iterator[Diagnostic]:
    serving = view.spec.serving
    update, pool, gpu = derive.update(serving), serving.resources.gpu_pool, serving.resources.gpu
    at = ("serving", "update")
    if update.surge == 0 and update.unavailable == 0:
        also: Also = (("the other", (*at, "unavailable")),)
        message = "no pod may come before one goes, and none may go before one comes"
        yield view.finding("E234", message, *at, "surge", help="make one of them 1", also=also)
    if pool is None or not gpu:
        return
    most = derive.replicas(serving.replicas).max or serving.replicas.min
    pooled: Also = (("the pool", ("serving", "resources", "gpu_pool")), ("the replicas", ("serving", "replicas")))
    if most * gpu > pool:
        message = f"{most} servers with {gpu} GPUs each need {most * gpu}, and the pool has {pool}"
        yield view.finding("E234", message, "serving", "replicas", help="ask for fewer", also=pooled)
    elif update.surge and (most + update.surge) * gpu > pool:
        message = f"an update needs {(most + update.surge) * gpu} GPUs, and the pool has {pool}: it would wait for ever"
        place = (*at, "surge") if view.tree.find((*at, "surge")) is not None else ("serving", "resources", "gpu_pool")
        yield view.finding("E234", message, *place, help="set `surge: 0`, which replaces pod by pod", also=pooled)
    else:
        yield from _canary(view, pool)


def _canary(view: View, pool: int) -> Iterator[Diagnostic]:
    serving, steps = view.spec.serving, view.spec.rollout.steps
    fewest, gpu = serving.replicas.min, serving.resources.gpu
    needed = (fewest + max(math.ceil(step * fewest) for step in steps)) * gpu
    if len(steps) > 1 and needed > pool:
        message = f"champion and canary need {needed} GPUs at the last step, and the pool has {pool}"
        also: Also = (("the steps", ("rollout", "steps")),)
        help = "the canary would be short of servers: enlarge the pool, or expect the rollout to be held"
        yield view.finding("W240", message, "serving", "resources", "gpu_pool", help=help, also=also)


def _limits(view: View) -> Iterator[Diagnostic]:
    resources, at = view.spec.serving.resources, ("serving", "resources")
    limits = resources.limits
    if limits.cpu is not None and in_cores(limits.cpu) < in_cores(resources.cpu):
        message = f"{resources.cpu} CPU are asked for, and only {limits.cpu} may be used"
        also: Also = (("the limit", (*at, "limits", "cpu")),)
        place = (*at, "cpu") if view.tree.find((*at, "cpu")) is not None else (*at, "limits", "cpu")
        yield view.finding("E235", message, *place, help="raise the limit, or ask for less", also=also)
    if limits.memory is not None and in_bytes(limits.memory) < in_bytes(resources.memory):
        message = f"{resources.memory} of memory are asked for, and only {limits.memory} may be used"
        also = (("the limit", (*at, "limits", "memory")),)
        place = (*at, "memory") if view.tree.find((*at, "memory")) is not None else (*at, "limits", "memory")
        yield view.finding("E235", message, *place, help="raise the limit, or ask for less", also=also)


def _grace(view: View) -> Iterator[Diagnostic]:
    serving = view.spec.serving
    needed = derive.grace(serving.timeout)
    if serving.grace is not None and serving.grace < needed:
        message = (
            f"a server is killed after {serving.grace:g} s, and a request may take {serving.timeout:g} s: "
            f"with the time until no more come and a margin that is {needed:g} s"
        )
        also: Also = (("the timeout", ("serving", "timeout")),)
        help = f"raise it to {needed:g}s, drop it, or shorten the timeout"
        yield view.finding("E236", message, "serving", "grace", help=help, also=also)


def _sticky(view: View) -> Iterator[Diagnostic]:
    rollout, experiment = view.spec.rollout, view.spec.experiment
    if rollout.engine in KEEPS_USERS:
        return
    path = ("rollout", "sticky") if rollout.sticky is not None else ("experiment", "sticky")
    if rollout.sticky is None and experiment is None:
        return
    also: Also = (("the engine", ("rollout", "engine")),)
    message = f"{rollout.engine} picks a version for each request: nothing there keeps a user on one"
    help = f"choose the engine {', '.join(KEEPS_USERS[:-1])} or {KEEPS_USERS[-1]}, or drop it"
    yield view.finding("E237", message, *path, help=help, also=also)


LONGEST = {"jobset": "-training-n-0-{index}-abcde", "trainjob": "-training-node-0-{index}-abcde"}
"""What JobSet and Kubeflow Trainer append to the project's name for a pod."""


def _name(view: View) -> Iterator[Diagnostic]:
    training, name = view.spec.training, view.spec.project.name
    if training.engine not in LONGEST:
        return
    room = 63 - len(LONGEST[training.engine].format(index=training.resources.nodes - 1))
    if len(name) > room:
        message = (
            f"pods of a {training.engine} would have names of {63 + len(name) - room} characters, Kubernetes allows 63"
        )
        also: Also = (("the engine", ("training", "engine")),)
        help = f"use at most {room} characters, or another `training.engine`"
        yield view.finding("E241", message, "project", "name", help=help, also=also)
