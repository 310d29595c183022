"""Section `environments`: where versions are deployed, and what differs there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from mlopsgen.spec.base import Section, field
from mlopsgen.spec.experiment import Experiment
from mlopsgen.spec.monitoring import Monitoring
from mlopsgen.spec.rollout import Rollout
from mlopsgen.spec.scalars import Branch, DnsLabel, SecretName, Text, Url
from mlopsgen.spec.serving import SecretRef, Serving


@dataclass(frozen=True)
class Overlay:
    """Marks a field that holds parts of another section, merged over it."""

    section: type[Section]


Parts = dict[str, Any] | None


class SecretStore(Section):
    """Where External Secrets finds the values of Secrets."""

    name: SecretName = field(..., "Name of the store.", example="vault")
    kind: Literal["ClusterSecretStore", "SecretStore"] = field(
        "ClusterSecretStore", "Kind of the store.", example="ClusterSecretStore"
    )
    prefix: Text | None = field(
        None, "What stands in front of a Secret's name in the store.", example="ml/production/", derived="nothing"
    )


class Environment(Section):
    """One place of deployment; its sections are merged over the document's."""

    branch: Branch | None = field(None, "Branch that is deployed here.", example="main")
    namespace: DnsLabel | None = field(
        None, "Kubernetes namespace.", example="ml-production", derived="<project.name>-<environment>"
    )
    url: Url | None = field(None, "Public address, for smoke tests and links.", example="https://api.acme.dev")
    approval: bool = field(
        False, "A person approves each deployment, in the GitHub environment of the same name.", example=True
    )
    kubeconfig: SecretRef = field(
        {"secret": "kube", "key": "config"},
        "Access to the cluster, for the release workflow.",
        example={"secret": "kube", "key": "config"},
    )
    secret_store: SecretStore | None = field(
        None,
        "Makes the Secrets from a store, by External Secrets.",
        example={"name": "vault", "prefix": "ml/production/"},
        derived="Secrets are expected in the namespace",
    )
    serving: Annotated[Parts, Overlay(Serving)] = field(None, "Changes to `serving`.", example={"replicas": 2})
    rollout: Annotated[Parts, Overlay(Rollout)] = field(None, "Changes to `rollout`.", example={"hold": "30m"})
    experiment: Annotated[Parts, Overlay(Experiment)] = field(
        None, "Changes to `experiment`.", example={"traffic": "20%"}
    )
    monitoring: Annotated[Parts, Overlay(Monitoring)] = field(
        None, "Changes to `monitoring`.", example={"scrape_interval": "30s"}
    )


OVERLAID = ("serving", "rollout", "experiment", "monitoring")
"""Sections that an environment may change."""
