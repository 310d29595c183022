"""36x: several specs in one repository."""

from mlopsgen.diagnostics.catalogue.code import Code

CODES = (
    Code(
        "E360",
        "no spec below the folder",
        "`build --all` builds every mlops.yaml below the repository's root or the folder named, and there is none, or "
        "no such folder. Hidden folders, virtual environments, caches and other repositories are not searched.",
        "Name a folder with specs below it, or run `mlopsgen init` to write one.",
    ),
    Code(
        "E361",
        "mistake in the workspace file",
        "`mlops.workspace.yaml` holds `version: 1`, and may hold `projects` and `defaults`. Anything else would have no "
        "effect, silently.",
        "Compare with docs/workspaces.md, or with `mlopsgen schema --workspace`.",
    ),
    Code(
        "E362",
        "default that cannot be shared",
        "The version, the name of a project and its folder of templates belong to one project.",
        "Write it in the project's mlops.yaml.",
    ),
    Code(
        "E363",
        "two projects write the same files",
        "Workflows lie at the root of the repository, under the name of their project: two projects of one name would "
        "overwrite each other's. So would two specs in one folder, which share its lock.",
        "Give one of them another `project.name`, or a folder of its own.",
    ),
    Code(
        "W360",
        "pattern that means no project",
        "An entry of `projects` in `mlops.workspace.yaml` is the folder of no spec.",
        "Mend the pattern or drop it.",
    ),
)
