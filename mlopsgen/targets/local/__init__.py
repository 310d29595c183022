"""Everything on one machine: Envoy, the settings of the running parts, and `compose.yaml` for people with Docker."""

from __future__ import annotations

from collections.abc import Iterable

from mlopsgen.project.model import Project
from mlopsgen.render.files import File
from mlopsgen.targets.local import compose, envoy, settings


def files(project: Project) -> Iterable[File]:
    """`local/` as the last environment has it, and `compose.yaml` where there is an image to build."""
    environment = project.environments[-1]
    yield File(path="local/envoy.yaml", template="local/envoy.yaml", context=envoy.bootstrap(project, environment))
    yield File(path="local/routes.yaml", template="local/routes.yaml", context=envoy.routes(project, environment))
    for name, (content, comment) in settings.every(project, environment).items():
        yield File(path=f"local/{name}.yaml", data=content, comment=comment)
    if project.targets.docker:
        inside = envoy.bootstrap(project, environment, compose=True)
        yield File(path="local/envoy-compose.yaml", template="local/envoy.yaml", context=inside)
        yield File(path="compose.yaml", template="local/compose.yaml", context=compose.context(project, environment))
