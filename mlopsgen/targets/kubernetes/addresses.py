"""Ports and namespaces that addresses of the spec lead to."""

from __future__ import annotations

import re

SCHEME = {"http": 80, "https": 443, "ssh": 22}


def port(url: str) -> int | None:
    """Port of an address, given or usual; None for a kind of address that has none, such as `s3://bucket`."""
    scheme, _, rest = url.partition("://")
    found = re.search(r":([0-9]+)$", rest.partition("/")[0])
    return int(found[1]) if found else SCHEME.get(scheme)


def host(url: str) -> str:
    """Host of an address, without user, port and brackets."""
    place = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return re.sub(r":[0-9]+$", "", place).strip("[]")


def namespace(url: str) -> str | None:
    """Namespace of a Service's address in the cluster: `http://prometheus.monitoring:9090`; None for another host.

    Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
    """
    labels = host(url).split(".")
    if len(labels) == 2 or (len(labels) > 2 and labels[2] == "svc"):
        return labels[1]
    return None
