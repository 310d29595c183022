"""What the container of a model server says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlopsgen.adoption.draft import Draft
from mlopsgen.adoption.files import entries, items, text
from mlopsgen.contract.environment import AUTH_TOKEN
from mlopsgen.diagnostics import Span
from mlopsgen.spec.tree import Node, Path

GPU = "nvidia.com/gpu"
VARIABLES: dict[str, Path] = {
    "MLFLOW_TRACKING_URI": ("tracking", "mlflow", "uri"),
    "MLFLOW_EXPERIMENT_NAME": ("tracking", "mlflow", "experiment"),
    "MODEL_ID": ("model", "base"),
    "HF_MODEL_ID": ("model", "base"),
    "MODEL_NAME_OR_PATH": ("model", "base"),
    "MAX_INPUT_TOKENS": ("serving", "max_input_tokens"),
    "MAX_INPUT_LENGTH": ("serving", "max_input_tokens"),
    "MAX_NEW_TOKENS": ("serving", "max_output_tokens"),
    "MAX_OUTPUT_TOKENS": ("serving", "max_output_tokens"),
    "MAX_QUEUE_SIZE": ("serving", "queue"),
    "REQUEST_TIMEOUT_SECONDS": ("serving", "timeout"),
    "TIMEOUT_SECONDS": ("serving", "timeout"),
}
"""Variables with a plain meaning."""
OURS = re.compile(r"MLOPS_[A-Z_]+")
"""Variables that a build wrote."""
FLAGS: dict[str, Path] = {
    "--model": ("model", "base"),
    "--revision": ("model", "revision"),
    "--port": ("serving", "port"),
}
"""Arguments of vLLM."""
IN_POD = {
    "volumes": "volumes",
    "initContainers": "containers that run first",
    "nodeSelector": "choice of nodes",
    "affinity": "choice of nodes",
    "tolerations": "tolerations",
    "imagePullSecrets": "secrets of the registry",
    "hostNetwork": "network of the node",
    "priorityClassName": "priority",
    "runtimeClassName": "runtime",
}
PATCH = "the language has no such field: put it under `patches:` where it must stay"


def server_of(workload: Node) -> Node | None:
    """The container that serves: the one with a GPU, with a port, or the first."""
    every = items(workload.find(("spec", "template", "spec", "containers")))
    ranked = sorted(
        every,
        key=lambda one: (one.find(("resources", "limits", GPU)) is None, not items(one.find(("ports",)))),
    )
    return ranked[0] if ranked else None


def container(draft: Draft, inner: Node, pod: Node, serving: Path) -> None:
    """Take image, port, resources, variables and arguments; say what is left of container and pod."""
    if serving == ("serving",):
        _image(draft, inner)
        _variables(draft, inner)
        _arguments(draft, inner)
    ports = items(inner.find(("ports",)))
    named = [one for one in ports if text(one, "name") in ("http", "api", "web")]
    for number, one in enumerate(named[:1] or ports[:1]):
        port = one.find(("containerPort",))
        if port is not None and number == 0:
            draft.take((*serving, "port"), port.value, port.span)
    for one in ports:
        if one not in (named[:1] or ports[:1]):
            draft.leave(one.span, f"port {text(one, 'name')}", "the app has one port, metrics included")
    _resources(draft, inner, pod, serving)
    grace = pod.find(("terminationGracePeriodSeconds",))
    if grace is not None and isinstance(grace.value, int):
        draft.take((*serving, "grace"), f"{grace.value}s", grace.span)
    _rest(draft, inner, pod)


def _image(draft: Draft, inner: Node) -> None:
    image = inner.find(("image",))
    if image is None or not isinstance(image.value, str):
        return
    repository, tag = image.value.partition("@")[0], ""
    if ":" in repository.rpartition("/")[2]:
        repository, _, tag = repository.rpartition(":")
    if repository.startswith("vllm/"):
        draft.leave(image.span, f"image {image.value}", "mlopsgen builds an image on top of vLLM's own")
    else:
        draft.take(("serving", "image"), repository, image.span)
    if "vllm" in repository:
        draft.take(("serving", "engine"), "vllm", image.span, "by the name of the image")
    if tag or "@" in image.value:
        draft.leave(image.span, f"version of {repository}", "which image runs is a fact of a release: release.yaml")


def _resources(draft: Draft, inner: Node, pod: Node, serving: Path) -> None:
    resources: Path = (*serving, "resources")
    asked, limits = inner.find(("resources", "requests")), inner.find(("resources", "limits"))
    for key in ("cpu", "memory"):
        node = asked.find((key,)) if asked else None
        limit = limits.find((key,)) if limits else None
        if node is not None:
            draft.take((*resources, key), node.value, node.span)
        if limit is not None and (node is None or limit.value != node.value):
            if node is None:
                draft.take((*resources, key), limit.value, limit.span, "the limit: nothing else is asked for")
            draft.take((*resources, "limits", key), limit.value, limit.span)
    for where in (limits, asked):
        gpu = where.find((GPU,)) if where else None
        if gpu is not None:
            count = int(gpu.value) if isinstance(gpu.value, str) and gpu.value.isdigit() else gpu.value
            draft.take((*resources, "gpu"), count, gpu.span)
        for key, node in entries(where).items():
            if key not in ("cpu", "memory", GPU):
                draft.leave(node.span, f"{key}: {node.value}", PATCH)
    kind = pod.find(("nodeSelector", "nvidia.com/gpu.product"))
    if kind is not None:
        draft.take((*resources, "gpu_type"), kind.value, kind.span)


def _variables(draft: Draft, inner: Node) -> None:
    for one in items(inner.find(("env",))):
        name, value = text(one, "name"), one.find(("value",))
        if name == AUTH_TOKEN and (secret := one.find(("valueFrom", "secretKeyRef"))) is not None:
            draft.take(("serving", "auth", "secret"), text(secret, "name"), secret.span)
            draft.take(("serving", "auth", "key"), text(secret, "key"), secret.span)
        if OURS.fullmatch(name):
            continue
        if value is None:
            draft.leave(
                one.span, f"variable {name}", "its value comes from elsewhere: name Secrets where they are used"
            )
        elif name in VARIABLES:
            given = value.value
            path = VARIABLES[name]
            if isinstance(given, str) and given.isdigit():
                given = f"{given}s" if path[-1] == "timeout" else int(given)
            draft.take(path, given, value.span)
        else:
            draft.leave(one.span, f"variable {name}", PATCH)
    for one in items(inner.find(("envFrom",))):
        if not text(one, "secretRef", "name").endswith("-credentials"):
            draft.leave(one.span, "envFrom", PATCH)


def _arguments(draft: Draft, inner: Node) -> None:
    words = [(str(part), node.span) for node in _words(inner) for part in str(node.value).split()]
    if any(re.fullmatch(r"vllm|vllm\.entrypoints.*", word) for word, _ in words) or (
        "vllm" in text(inner, "image") and words
    ):
        draft.take(("serving", "engine"), "vllm", words[0][1], "by what it runs")
    elif words and not any("mlops" in word for word, _ in words):
        draft.leave(words[0][1], " ".join(word for word, _ in words), "mlopsgen's app is served by its own command")
        return
    for name, value, span in _flags(words):
        if name in FLAGS and value:
            path = FLAGS[name]
            draft.take(path, int(value) if value.isdigit() else value, span)
        else:
            draft.leave(span, f"{name} {value}".strip(), "an argument of vLLM that the language has no field for")


def _words(inner: Node) -> list[Node]:
    return [*items(inner.find(("command",))), *items(inner.find(("args",)))]


def _flags(words: list[tuple[str, Span]]) -> Iterator[tuple[str, str, Span]]:
    """Options and their values, in either way of writing them."""
    for number, (word, span) in enumerate(words):
        if word == "serve" and number + 1 < len(words) and not words[number + 1][0].startswith("-"):
            yield "--model", words[number + 1][0], words[number + 1][1]
        if not word.startswith("--"):
            continue
        name, equals, value = word.partition("=")
        following = words[number + 1][0] if number + 1 < len(words) else ""
        yield name, value if equals else ("" if following.startswith("-") else following), span


def _rest(draft: Draft, inner: Node, pod: Node) -> None:
    """What else stands in the pod."""
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        node = inner.find((key,))
        path = text(node, "httpGet", "path") if node else ""
        if node is not None and path not in ("/readyz", "/healthz"):
            draft.leave(inner.key_span((key,)), f"{key} {path}".strip(), "mlopsgen's app has probes of its own")
    for key, what in IN_POD.items():
        node = pod.find((key,))
        own = key == "nodeSelector" and node is not None and set(entries(node)) == {"nvidia.com/gpu.product"}
        if node is not None and node.value and not own and not _usual(key, node):
            draft.leave(pod.key_span((key,)), f"{key}: {what}", PATCH)
    for one in items(pod.find(("containers",))):
        if one is not inner:
            draft.leave(one.span, f"container {text(one, 'name')}", PATCH)


def _usual(key: str, node: Node) -> bool:
    """What every server of mlopsgen's has as well."""
    return key == "tolerations" and all(text(one, "key") == GPU for one in items(node))
