"""Everything on one machine: what `mlopsgen up` runs, and `compose.yaml` for people with Docker."""

from __future__ import annotations

from collections.abc import Iterable

from mlopsgen.project.model import Project
from mlopsgen.render.files import File
from mlopsgen.targets.local import compose, envoy, monitoring, processes, settings
from mlopsgen.targets.prometheus import rules


def files(project: Project) -> Iterable[File]:
    """`local/` as the last environment has it, and `compose.yaml` where there is an image to build."""
    environment = project.environments[-1]
    yield File(path="local/envoy.yaml", template="local/envoy.yaml", context=envoy.bootstrap(project, environment))
    yield File(path="local/routes.yaml", template="local/routes.yaml", context=envoy.routes(project, environment))
    for name, (content, comment) in settings.every(project, environment).items():
        yield File(path=f"local/{name}.yaml", data=content, comment=comment)
    yield File(
        path="local/prometheus.yaml",
        template="local/prometheus.yaml",
        context=monitoring.prometheus(project, environment),
    )
    yield File(path="local/alertmanager.yaml", template="local/alertmanager.yaml", context=monitoring.alertmanager())
    found = rules.groups(project, (monitoring.here(environment),))
    yield File(path=f"local/{monitoring.RULES}", data=rules.document(project, found))
    yield File(path="local/processes.yaml", data=processes.document(project, environment), comment=processes.COMMENT)
    if project.targets.docker:
        inside = envoy.bootstrap(project, environment, compose=True)
        yield File(path="local/envoy-compose.yaml", template="local/envoy.yaml", context=inside)
        yield File(path="compose.yaml", template="local/compose.yaml", context=compose.context(project, environment))
