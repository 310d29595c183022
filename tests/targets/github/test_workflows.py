"""What each workflow does for what the spec says."""

from __future__ import annotations

import pytest

from mlopsgen.contract.commands import model_tests
from mlopsgen.project.model import Environment, Project
from mlopsgen.render.engine import render
from mlopsgen.targets.dvc.stages import stages as dvc_stages
from mlopsgen.targets.github import files, release, train
from tests.targets.github import specs


def runs(name: str, workflow: str, job: str) -> list[str]:
    """Scripts of a job."""
    steps = specs.all_workflows(name)[workflow]["jobs"][job]["steps"]
    return [step["run"] for step in steps if "run" in step]


def given(name: str, environment: str) -> tuple[Project, Environment]:
    """A project and one of its environments."""
    project = specs.project(name)
    return project, next(each for each in project.environments if each.name == environment)


@pytest.mark.parametrize("name", specs.CASES)
def test_the_steps_are_the_stages_of_the_pipeline(name: str) -> None:
    project = specs.project(name)
    assert [stage["name"] for stage in train.stages(project)] == [stage for stage, _ in dvc_stages(project)]


def test_checks_are_those_of_the_spec() -> None:
    assert list(specs.all_workflows("full")["ci"]["jobs"]) == ["lint", "test", "spec", "data"]
    assert list(specs.all_workflows("smallest")["ci"]["jobs"]) == ["lint", "spec", "data"]
    assert list(specs.all_workflows("no-quality")["ci"]["jobs"]) == ["spec", "data"]
    assert runs("full", "ci", "lint")[2:] == ["ruff format --check .", "ruff check .", "mypy src"]
    assert runs("smallest", "ci", "spec")[-1] == 'mlopsgen build --check "$SPEC"'


def test_drift_is_a_stage_against_a_path_and_a_command_against_the_champion() -> None:
    assert "dvc repro --pull --allow-missing drift" in runs("remote-reference", "ci", "data")
    assert "dvc pull --allow-missing prepare\nmlops-runtime drift\n" in runs("remote", "ci", "data")
    assert "dvc repro drift" in runs("reference", "train", "train")
    assert "mlops-runtime drift" in runs("smallest", "train", "train")


def test_data_in_a_folder_is_not_pulled() -> None:
    assert not any("pull" in run for run in runs("smallest", "ci", "data") + runs("smallest", "train", "train"))
    assert not any("dvc push" in run for run in runs("smallest", "train", "train"))
    assert "dvc push --run-cache" in runs("remote", "train", "train")


def test_training_follows_the_branches_of_the_environments() -> None:
    assert specs.all_workflows("full")["train"]["on"]["push"]["branches"] == ["dev", "main"]
    assert "push" not in specs.all_workflows("no-branch")["train"]["on"]
    assert "release-live" not in specs.all_workflows("no-branch")["train"]["jobs"]


def test_only_a_retrain_on_data_follows_the_data() -> None:
    def paths(name: str) -> list[str]:
        found: list[str] = specs.all_workflows(name)["train"]["on"]["push"]["paths"]
        return found

    assert "!data/raw.dvc" in paths("remote")
    assert "!data/raw.dvc" not in paths("retrain")
    assert "!data/raw.dvc" not in paths("remote-collects")
    assert paths("subfolder")[0] == "services/x/**"
    assert all(path.startswith(("services/x/", "!services/x/")) for path in paths("subfolder"))


def test_schedule_and_search_are_there_when_asked_for() -> None:
    assert specs.all_workflows("full")["train"]["on"]["schedule"] == [{"cron": "0 3 * * 0"}]
    assert "schedule" not in specs.all_workflows("smallest")["train"]["on"]
    assert "search" in specs.all_workflows("gpu")["train"]["jobs"]
    assert "search" not in specs.all_workflows("smallest")["train"]["jobs"]


def test_training_runs_where_its_gpu_is() -> None:
    assert specs.all_workflows("gpu")["train"]["jobs"]["train"]["runs-on"] == ["self-hosted", "gpu"]
    assert specs.all_workflows("gpu-hosted")["train"]["jobs"]["train"]["runs-on"] == "ubuntu-24.04"
    assert specs.all_workflows("smallest")["train"]["jobs"]["train"]["runs-on"] == "ubuntu-latest"


def test_a_runner_of_ones_own_is_left_clean() -> None:
    names = [step.get("name") for step in specs.all_workflows("gpu")["train"]["jobs"]["train"]["steps"]]
    assert "Look for room" in names
    assert names[-1] == "Leave nothing behind"
    hosted = [step.get("name") for step in specs.all_workflows("gpu-hosted")["train"]["jobs"]["train"]["steps"]]
    assert not {"Look for room", "Leave nothing behind"} & set(hosted)


def test_a_session_with_aws_is_renewed_after_training() -> None:
    names = [step.get("name") for step in specs.all_workflows("aws")["train"]["jobs"]["train"]["steps"]]
    assert names.count("Sign in to AWS") == 2
    assert names.index("Train") < len(names) - 1 - names[::-1].index("Sign in to AWS") < names.index("Evaluate")


@pytest.mark.parametrize(
    ("name", "registry"),
    [
        ("smallest", ("", "github")),
        ("full", ("ghcr.io", "github")),
        ("aws", ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "aws")),
        ("gcp", ("europe-docker.pkg.dev", "google")),
        ("secrets", ("registry.acme.dev", "other")),
        ("docker-hub", ("docker.io", "other")),
    ],
)
def test_the_image_goes_where_its_name_says(name: str, registry: tuple[str, str]) -> None:
    context = release.context(specs.project(name))
    assert (context["host"], context["registry"]) == registry
    login = specs.all_workflows(name)["release"]["jobs"]["image"]["permissions"]
    assert ("packages" in login) == (registry[1] == "github")


def test_an_image_without_an_owner_belongs_to_the_owner_of_the_repository() -> None:
    step = specs.all_workflows("smallest")["release"]["jobs"]["image"]["steps"][1]
    assert step["env"]["IMAGE"] == "ghcr.io/${{ github.repository_owner }}/docstrings"
    assert "${IMAGE,,}" in step["run"]


def test_canaries_are_for_the_last_environment_and_for_approved_ones() -> None:
    project = specs.project("three")
    assert [each.canary for each in project.environments] == [False, True, True]
    assert not any(each.canary for each in specs.project("one-step").environments)


def test_a_canary_is_started_watched_and_aborted() -> None:
    found = [run for run in runs("full", "release", "deploy-production") if run.startswith("mlops-runtime")]
    what = '--image "$IMAGE" --model-version "$MODEL_VERSION"'
    assert found == [
        f"mlops-runtime release --environment production --variant canary {what}",
        'mlops-runtime smoke --url "$ADDRESS" --header "$HEADER"',
        "mlops-runtime rollout start --environment production",
        "mlops-runtime rollout watch --environment production --timeout 18000s",
        "mlops-runtime rollout abort --environment production",
        f"mlops-runtime release --environment production --variant champion {what}",
        'mlops-runtime smoke --url "$ADDRESS"',
    ]
    assert model_tests("-m end_to_end", '--endpoint "$ADDRESS"') in runs("full", "release", "deploy-production")


def test_what_is_deployed_at_once_must_serve_the_new_version() -> None:
    tests = model_tests("-m end_to_end", '--endpoint "$ADDRESS"', '--model-version "$MODEL_VERSION"')
    assert tests in runs("full", "release", "deploy-staging")


def test_with_argo_rollouts_its_controller_is_watched_and_aborted() -> None:
    found = runs("argo", "release", "deploy-production")
    ours = [run.split()[1] for run in found if run.startswith("mlops-runtime")]
    assert ours == ["release", "release", "promote"]
    text = "\n".join(found)
    assert "jsonpath={.status.workloadObservedGeneration}" in text
    assert '{"status": {"abort": true}}' in text
    job = specs.all_workflows("argo")["release"]["jobs"]["deploy-production"]
    assert job["env"]["DEPLOYMENT"] == "deployment/docstrings-champion"


def test_without_a_canary_the_last_environment_promotes() -> None:
    promote = 'mlops-runtime promote --model-version "$MODEL_VERSION"'
    assert promote in runs("one-step", "release", "deploy-production")
    assert promote not in runs("one-step", "release", "deploy-staging")
    assert promote not in runs("full", "release", "deploy-production")


def test_a_watch_ends_before_the_runner_does() -> None:
    assert release.watch_seconds(*given("full", "production")) == 300 * 60
    assert release.watch_seconds(*given("three", "live")) == 2 * 3600 + 15 * 60
    assert release.watch_seconds(*given("own-runner", "production")) == 6 * 3600 + 15 * 60


def test_a_release_rehearses_in_the_environments_before() -> None:
    jobs = specs.all_workflows("three")["release"]["jobs"]
    later = "(inputs.environment == 'staging' || inputs.environment == 'live')"
    assert jobs["deploy-test"]["if"] == f"inputs.environment == 'test' || inputs.rehearse && {later}"
    assert jobs["deploy-live"]["needs"] == ["image", "deploy-test", "deploy-staging"]
    assert "!failure() && !cancelled()" in jobs["deploy-live"]["if"]


def test_deployments_wait_for_their_turn_and_for_approval() -> None:
    job = specs.all_workflows("full")["release"]["jobs"]["deploy-production"]
    assert job["concurrency"] == {
        "group": "support-assistant-deploy-production",
        "queue": "max",
        "cancel-in-progress": "false",
    }
    assert job["environment"] == {"name": "production", "url": "https://api.acme.dev"}


def test_a_deployment_without_an_address_is_smoke_tested_through_a_tunnel() -> None:
    steps = specs.all_workflows("smallest")["release"]["jobs"]["deploy-staging"]["steps"]
    step = next(step for step in steps if step["name"] == "Smoke test")
    assert step["env"]["PORTS"] == "18000:8000"
    assert "kubectl port-forward" in step["run"]


def test_several_projects_share_a_repository() -> None:
    found = specs.all_workflows("subfolder")
    paths = [f".github/workflows/docstrings-ml-{kind}.yaml" for kind in ("ci", "train", "release", "retrain")]
    assert list(specs.workflows("subfolder")) == paths
    assert found["train"]["name"] == "docstrings-ml-train"
    assert found["ci"]["defaults"]["run"]["working-directory"] == "services/x"
    assert found["ci"]["on"]["pull_request"]["paths"] == ["services/x/**", *paths]
    assert found["train"]["jobs"]["release-staging"]["uses"] == "./.github/workflows/docstrings-ml-release.yaml"
    assert found["retrain"]["jobs"]["train"]["if"].endswith("client_payload.project == 'docstrings'")
    build = next(step for step in found["release"]["jobs"]["image"]["steps"] if step.get("id") == "build")
    assert (build["with"]["context"], build["with"]["file"]) == ("services/x", "services/x/docker/serve.Dockerfile")


def test_values_remember_where_they_came_from() -> None:
    output = {file.path: render(file) for file in files(specs.project("full"))}
    found = {path for origin in output[".github/workflows/ml-release.yaml"].origins for path in origin.paths}
    assert {"environments.production.url", "serving.image", "rollout.deadline", "ci.python"} <= found
