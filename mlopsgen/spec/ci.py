"""Section `ci`: workflows."""

from __future__ import annotations

from typing import Literal

from mlopsgen.spec.base import Items, Section, field
from mlopsgen.spec.scalars import Command, Cron, PythonVersion, Runners, Text
from mlopsgen.spec.scalars import Key as SecretEnv


class CodeQuality(Section):
    """Commands that judge the code; `null` leaves one out."""

    format: Command | None = field("ruff format --check .", "Formatting.", example="ruff format --check .")
    lint: Command | None = field("ruff check .", "Linting.", example="ruff check .")
    types: Command | None = field(None, "Type check.", example="mypy src")
    tests: Command | None = field(None, "Unit tests with coverage.", example="pytest tests/unit --cov")


class RunnerLabels(Section):
    """Runners by kind of job."""

    default: Runners = field("ubuntu-latest", "Jobs without a GPU.", example="ubuntu-latest")
    gpu: Runners = field(("self-hosted", "gpu"), "Jobs with a GPU.", example=["self-hosted", "gpu"])


class Aws(Section):
    """Role by OpenID Connect."""

    role: Text = field(
        ..., "ARN of the role.", example="arn:aws:iam::123456789012:role/ml-ci",
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$",
    )  # fmt: skip
    region: Text = field(..., "Region.", example="eu-west-1", pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")


class Gcp(Section):
    """Workload identity federation."""

    provider: Text = field(
        ..., "Workload identity provider.",
        example="projects/123456789/locations/global/workloadIdentityPools/github/providers/acme",
        pattern=r"^projects/[0-9]+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+$",
    )  # fmt: skip
    service_account: Text = field(
        ..., "Service account.", example="ml-ci@acme.iam.gserviceaccount.com",
        pattern=r"^[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com$",
    )  # fmt: skip


class Credentials(Section):
    """How jobs reach data, registry and cluster; OpenID Connect where the cloud has it."""

    aws: Aws | None = field(
        None, "AWS.", example={"role": "arn:aws:iam::123456789012:role/ml-ci", "region": "eu-west-1"}
    )
    gcp: Gcp | None = field(
        None, "Google Cloud.", example={"provider": "projects/1/locations/global/workloadIdentityPools/github/providers/acme",
        "service_account": "ml-ci@acme.iam.gserviceaccount.com"},
    )  # fmt: skip
    secrets: Items[SecretEnv] = field(
        (), "GitHub secrets handed to the jobs as environment variables of the same name.",
        example=["MLFLOW_TRACKING_TOKEN"],
    )  # fmt: skip


class Ci(Section):
    """GitHub workflows."""

    python: PythonVersion = field("3.11", "Python of jobs and images.", example="3.11")
    quality: CodeQuality = field({}, "Code quality.", example={"lint": "ruff check ."})
    schedule: Cron | None = field(None, "Scheduled retrain, cron in UTC.", example="0 3 * * 0")
    retrain_on: Items[Literal["data", "drift", "decay"]] = field(
        (), "Events that start a retrain: changed data, an alert on drift, an alert on decay.",
        example=["data", "drift", "decay"],
    )  # fmt: skip
    runners: RunnerLabels = field({}, "Runners.", example={"default": "ubuntu-latest"})
    credentials: Credentials = field({}, "Credentials.", example={"secrets": ["MLFLOW_TRACKING_TOKEN"]})
