"""Section `ci`: workflows."""

from __future__ import annotations

from typing import Literal

from mlopsgen.spec.base import Items, Section, field
from mlopsgen.spec.scalars import (
    AwsRegion,
    Command,
    Cron,
    IdentityProvider,
    PythonVersion,
    RoleArn,
    Runners,
    ServiceAccount,
)
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

    role: RoleArn = field(..., "ARN of the role.", example="arn:aws:iam::123456789012:role/ml-ci")
    region: AwsRegion = field(..., "Region.", example="eu-west-1")


class Gcp(Section):
    """Workload identity federation."""

    provider: IdentityProvider = field(
        ...,
        "Workload identity provider.",
        example="projects/123456789/locations/global/workloadIdentityPools/github/providers/acme",
    )
    service_account: ServiceAccount = field(..., "Service account.", example="ml-ci@acme.iam.gserviceaccount.com")


class Credentials(Section):
    """How jobs reach data, registry and cluster; OpenID Connect where the cloud has it."""

    aws: Aws | None = field(
        None, "AWS.", example={"role": "arn:aws:iam::123456789012:role/ml-ci", "region": "eu-west-1"}
    )
    gcp: Gcp | None = field(
        None,
        "Google Cloud.",
        example={
            "provider": "projects/1/locations/global/workloadIdentityPools/github/providers/acme",
            "service_account": "ml-ci@acme.iam.gserviceaccount.com",
        },
    )
    secrets: Items[SecretEnv] = field(
        (),
        "GitHub secrets handed to the jobs as environment variables of the same name.",
        example=["MLFLOW_TRACKING_TOKEN"],
    )


class Ci(Section):
    """GitHub workflows."""

    python: PythonVersion = field("3.11", "Python of jobs and images.", example="3.11")
    quality: CodeQuality = field({}, "Code quality.", example={"lint": "ruff check ."})
    schedule: Cron | None = field(None, "Scheduled retrain, cron in UTC.", example="0 3 * * 0")
    retrain_on: Items[Literal["data", "drift", "decay"]] = field(
        (),
        "Events that start a retrain: changed data, an alert on drift, an alert on decay.",
        example=["data", "drift", "decay"],
    )
    runners: RunnerLabels = field({}, "Runners.", example={"default": "ubuntu-latest"})
    credentials: Credentials = field({}, "Credentials.", example={"secrets": ["MLFLOW_TRACKING_TOKEN"]})
