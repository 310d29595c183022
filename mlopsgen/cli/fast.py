"""The answer when there is nothing to do, before click or anything else is imported."""

from __future__ import annotations

import os

from mlopsgen.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlopsgen.output.statcache import StatCache

IN_STEP = "{spec}: {count} files up to date"
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IN_CHECKOUT = os.path.exists(os.path.join(_ROOT, "pyproject.toml"))
"""Whether mlopsgen runs from its own source tree, where code changes and the version does not."""


def ready(spec: str, folder: str, repository: str, cache: StatCache | None = None) -> int | None:
    """How many files there are when a build would change nothing, else None.

    Args:
        spec: path of mlops.yaml.
        folder: where it lies.
        repository: root of the repository around it.
        cache: what the repository's files looked like.
    """
    from mlopsgen.cli.workspace import SHARED, shared_bytes
    from mlopsgen.output.fast import up_to_date
    from mlopsgen.output.inputs import input_digest

    if IN_CHECKOUT:
        return None
    try:
        with open(spec, "rb") as stream:
            data = stream.read(1024 * 1024 + 1)
        shared = shared_bytes(os.path.join(repository, SHARED))
    except (OSError, ValueError):
        return None
    return up_to_date(folder, repository, VERSION, input_digest(data, folder, shared), cache)


def main(arguments: list[str]) -> int | None:
    """Answer `--version`, and `build` with nothing but specs, `--check` and `-q` when nothing is to be done.

    Returns:
        The exit code; None when the whole command line has to run.
    """
    if arguments == ["--version"]:
        print(f"mlopsgen {VERSION}")
        return 0
    if not arguments or arguments[0] != "build":
        return None
    flags = {argument for argument in arguments[1:] if argument.startswith("-")}
    if not flags <= {"--check", "-q", "--quiet"}:
        return None
    from mlopsgen.cli.workspace import SPEC, Workspace

    lines = []
    for argument in [argument for argument in arguments[1:] if not argument.startswith("-")] or [SPEC]:
        workspace = Workspace(argument)
        count = ready(workspace.spec, workspace.folder, workspace.repository)
        if count is None:
            return None
        lines.append(IN_STEP.format(spec=workspace.spec, count=count))
    if not flags & {"-q", "--quiet"}:
        print("\n".join(lines))
    return 0
