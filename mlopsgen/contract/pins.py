"""Actions and base images that generated files use, each pinned. A bot's bump is adopted into `mlops.lock`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Pin(NamedTuple):
    """What a name is pinned to: a readable version and the digest or commit that it meant."""

    version: str
    digest: str


ACTIONS: dict[str, Pin] = {
    "actions/checkout": Pin("v7.0.1", "3d3c42e5aac5ba805825da76410c181273ba90b1"),
    "actions/setup-python": Pin("v7.0.0", "5fda3b95a4ea91299a34e894583c3862153e4b97"),
    "actions/upload-artifact": Pin("v7.0.0", "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"),
    "actions/download-artifact": Pin("v8.0.1", "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"),
    "actions/attest-build-provenance": Pin("v4.1.0", "a2bbfa25375fe432b6a289bc6b6cd05ecd0c4c32"),
    "aws-actions/configure-aws-credentials": Pin("v6.2.3", "e6de054238d6b7531b4efff3b6587d9aade6a06c"),
    "azure/setup-kubectl": Pin("v5.1.0", "829323503d1be3d00ca8346e5391ca0b07a9ab0d"),
    "docker/build-push-action": Pin("v7.3.0", "53b7df96c91f9c12dcc8a07bcb9ccacbed38856a"),
    "docker/login-action": Pin("v4.1.0", "4907a6ddec9925e35a0a9e82d7399ccc52663121"),
    "docker/setup-buildx-action": Pin("v4.3.0", "37fe631027851001ddb9b187196cc803df7f5f0e"),
    "google-github-actions/auth": Pin("v3.0.0", "7c6bc770dae815cd3e89ee6cdf493a5fab2cc093"),
}

IMAGES: dict[str, Pin] = {
    "python:3.11-slim-bookworm": Pin(
        "3.11-slim-bookworm", "sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba"
    ),
    "python:3.12-slim-bookworm": Pin(
        "3.12-slim-bookworm", "sha256:782412e85d0f0984994c290652577d4018aff08145c85b262bb63dc0c7522254"
    ),
    "python:3.13-slim-bookworm": Pin(
        "3.13-slim-bookworm", "sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8"
    ),
    "python:3.14-slim-bookworm": Pin(
        "3.14-slim-bookworm", "sha256:9ab8d9c8514b44f90cf0029dd42fdd7e9e211e639c8b995304cc04568dee900f"
    ),
    "envoyproxy/envoy:v1.39.3": Pin(
        "v1.39.3", "sha256:dd85940439de19a0b6ae8419610363ea0ad351d9a994ea007161c206ec1e1865"
    ),
    "nginxinc/nginx-unprivileged:1.30.5-alpine": Pin(
        "1.30.5-alpine", "sha256:ed04ec1ff34502c339ee5c3ae3f855442398edc1d05591e2b98981dcbbd20b1e"
    ),
    "vllm/vllm-openai:v0.31.0": Pin(
        "v0.31.0", "sha256:c1c9f6fd5c109ba7f0546a59f5b2f15fb87f64c77782e90a27b648b42a8e67c3"
    ),
}
"""Base images by repository and tag; the digests are those of the multi-platform indexes."""

KUBECTL = "v1.36.4"
"""kubectl of the release workflow; it talks to clusters one minor version older or newer."""

DEFAULTS: Mapping[str, Pin] = {**ACTIONS, **IMAGES}
