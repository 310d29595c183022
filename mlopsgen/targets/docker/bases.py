"""Base images of the builds."""

from __future__ import annotations

from mlopsgen.contract.pins import IMAGES
from mlopsgen.project.model import Project
from mlopsgen.spec.traced import Text, join

VLLM = "vllm/vllm-openai"


def python(project: Project) -> Text:
    """The slim Debian image of the project's Python."""
    return join("python:", project.ci.python, "-slim-bookworm")


def vllm(project: Project) -> Text:
    """The server that vLLM publishes, in the version that the pins hold."""
    return join(next(name for name in (*project.pins, *IMAGES) if name.startswith(f"{VLLM}:")))


def pinned(project: Project, image: Text) -> Text:
    """The image with the digest it is pinned to; without one for a tag that the pins do not know."""
    pin = project.pins.get(image)
    return join(image, "@", pin.digest) if pin is not None else image
