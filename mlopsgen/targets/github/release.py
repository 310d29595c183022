"""Context of `ml-release.yaml`."""

from __future__ import annotations

import math
from typing import Any

from mlopsgen.contract.commands import command, model_tests
from mlopsgen.contract.files import release as release_file
from mlopsgen.contract.pins import KUBECTL
from mlopsgen.contract.ports import READY
from mlopsgen.project import deploy
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.names import named as named_in_cluster
from mlopsgen.spec.traced import join, merged, traced
from mlopsgen.targets.github import access, steps
from mlopsgen.targets.github.names import BUILD, RELEASE, inside, named

DEPLOY_MINUTES = 60
"""A deployment without a canary."""

WATCH_MINUTES = 300
"""Longest watch over a canary on GitHub's runners, which stop after 360 minutes."""

MARGIN_MINUTES = 15
"""Time beyond the canary's own deadline in which its end is still seen."""

SMOKE_PORT = 18000
"""Local end of the tunnel to a service that has no public address."""


def context(project: Project) -> dict[str, Any]:
    """What the template takes."""
    return steps.common(project, RELEASE) | {
        "requirements": project.serving_requirements,
        "names": [each.name for each in project.environments],
        "declared": access.declared(access.every(project)),
        "environment": named(project, BUILD),
        "environments": [_environment(project, position) for position in range(len(project.environments))],
        "deployments": [join("deploy-", each.name) for each in project.environments],
        "secrets": access.values(access.secrets(project)),
        "image": _image(project),
        "host": access.registry_host(project),
        "build_environment": access.registry(project) != "github" or bool(access.index(project)),
        "context": project.folder or ".",
        "dockerfile": inside(project, "docker/serve.Dockerfile"),
        "kubectl": KUBECTL,
        "groups": {"image": join(project.name, "-image"), "record": join(project.name, "-record")},
    }


def _image(project: Project) -> Any:
    """Repository of the serving image; an image without an owner goes to the repository owner's packages."""
    if access.registry_host(project):
        return project.serving.image
    return join("ghcr.io/${{ github.repository_owner }}/", project.serving.image)


def _environment(project: Project, position: int) -> dict[str, Any]:
    given = project.environments[position]
    stepwise = given.canary
    watch = watch_seconds(project, given)
    return {
        "job": join("deploy-", given.name),
        "title": join("Deploy to ", given.name),
        "name": given.name,
        "place": {"name": given.name} | ({"url": given.url} if given.url is not None else {}),
        "needs": ["image", *(join("deploy-", each.name) for each in project.environments[:position])],
        "condition": _condition(project, position),
        "group": join(project.name, "-deploy-", given.name),
        "minutes": math.ceil(watch / 60) + DEPLOY_MINUTES - 10 if stepwise else DEPLOY_MINUTES,
        "canary": stepwise,
        "argo": deploy.argo(given),
        "rollout": join("rollouts.argoproj.io/", project.name),
        "promotes": position == len(project.environments) - 1 and not deploy.controlled(given),
        "namespace": given.namespace,
        "folder": deploy.folder(given),
        "kubeconfig": join("${{ secrets.", access.variable(given.kubeconfig), " }}"),
        "deployment": join("deployment/", named_in_cluster(project, deploy.variants(given)[-1])),
        "artifact": join("release-", given.name),
        "file": inside(project, release_file(given.name)),
        "target": inside(project, release_file(given.name).rpartition("/")[0]),
        "takes": join("Take over the release file of ", given.name),
        "succeeded": join("needs.deploy-", given.name, ".result == 'success'"),
        "smoke": _smoke(project, given),
        "commands": _commands(given, watch),
    }


def _commands(given: Environment, watch: int) -> dict[str, str]:
    """Command lines of the runtime for one environment."""
    at = join("--environment ", given.name)
    what = '--image "$IMAGE" --model-version "$MODEL_VERSION"'
    seconds = traced(f"--timeout {watch}s", *merged(given.rollout.deadline))
    return {
        "try": join(command("release"), " ", at, " --variant canary ", what),
        "replace": join(command("release"), " ", at, " --variant champion ", what),
        "start": join(command("rollout"), " start ", at),
        "watch": join(command("rollout"), " watch ", at, " ", seconds),
        "abort": join(command("rollout"), " abort ", at),
        "test": model_tests(
            "-m end_to_end", '--endpoint "$ADDRESS"', *([] if given.canary else ['--model-version "$MODEL_VERSION"'])
        ),
        "promote": join(command("promote"), ' --model-version "$MODEL_VERSION"'),
    }


def _smoke(project: Project, given: Environment) -> dict[str, Any]:
    """The smoke test: against the public address, or through a tunnel where there is none."""
    token = access.values([access.variable(given.serving.auth)]) if given.serving.auth is not None else {}
    run, testers = join(command("smoke"), ' --url "$ADDRESS"'), given.rollout.testers
    if given.url is None:
        ports = join(f"{SMOKE_PORT}:", given.serving.port)
        tunnel = {
            "ADDRESS": f"http://127.0.0.1:{SMOKE_PORT}",
            "SERVICE": join("service/", project.name),
            "PORTS": ports,
        }
        return {"tunnel": True, "env": {**tunnel, "READY": READY, **token}, "as_tester": None}
    env = {"ADDRESS": given.url, **token}
    as_tester = None
    if testers is not None and not deploy.argo(given):
        header = {"HEADER": join(testers.header, ": ", testers.value)}
        as_tester = {"env": {**env, **header}, "run": join(run, ' --header "$HEADER"')}
    return {"tunnel": False, "env": env, "run": run, "as_tester": as_tester}


def watch_seconds(project: Project, given: Environment) -> int:
    """How long a canary is watched: to its deadline and a little longer, as far as the runner allows."""
    seconds = math.ceil(given.rollout.deadline) + MARGIN_MINUTES * 60
    return min(seconds, WATCH_MINUTES * 60) if steps.hosted(project.ci.runners.default) else seconds


def _condition(project: Project, position: int) -> str:
    """When a deployment runs: its environment is meant, or a later one is and rehearses here."""
    meant, *later = [join("inputs.environment == '", each.name, "'") for each in project.environments[position:]]
    if later:
        meant = join(meant, " || inputs.rehearse && (", traced(" || ".join(later), *merged(*later)), ")")
    if not position:
        return meant
    return join("needs.image.result == 'success' && !failure() && !cancelled() && (", meant, ")")
