"""Environments keep out of each other's way."""

from __future__ import annotations

from collections.abc import Iterator

from mlopsgen.diagnostics import Diagnostic
from mlopsgen.project import derive
from mlopsgen.project.checks.view import Also, View


def check(view: View) -> Iterator[Diagnostic]:
    """No branch and no namespace twice; an approval needs the workflow that asks for it."""
    spec = view.spec
    branches: dict[str, str] = {}
    namespaces: dict[str, str] = {}
    for name, environment in spec.environments.items():
        at = ("environments", name)
        if environment.branch is not None:
            other = branches.setdefault(environment.branch, name)
            if other != name:
                message = f"`{name}` and `{other}` are both deployed from branch `{environment.branch}`"
                help = "give each environment a branch of its own, or leave `branch` out and deploy by hand"
                yield view.finding(
                    "E217", message, *at, "branch", help=help, also=(("the other", ("environments", other, "branch")),)
                )
        namespace = derive.namespace(name, environment, spec.project.name)
        other = namespaces.setdefault(namespace, name)
        if other != name:
            message = f"`{name}` and `{other}` share the namespace `{namespace}`"
            also: Also = (("the other", ("environments", other, "namespace")),)
            yield view.finding("E218", message, *at, "namespace", help="name another namespace", also=also)
        if len(namespace) > 63:
            message = f"the namespace `{namespace}` would have {len(namespace)} characters, Kubernetes allows 63"
            yield view.finding("E218", message, *at, help="set `namespace`", on_key=True)
        if environment.approval and view.tree.find((*at, "approval")) and not spec.targets.github:
            help = "switch `targets.github` on, or drop `approval`"
            also = (("switched off", ("targets", "github")),)
            message = "an approval is asked for by the GitHub environment, and no workflow is generated"
            yield view.finding("E219", message, *at, "approval", help=help, also=also)
