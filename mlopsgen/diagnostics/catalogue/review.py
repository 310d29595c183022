"""32x: what a spec is compared with."""

from mlopsgen.diagnostics.catalogue.code import Code

CODES = (
    Code(
        "E320",
        "git cannot be asked",
        "A revision was named, and there is no git, no repository, or git refuses to look at it.",
        "Run it inside of the repository, or compare with the files on disk: `mlopsgen diff` without `--base`.",
    ),
    Code(
        "E321",
        "no such revision",
        "Git does not know the revision. A shallow clone knows the last commit only.",
        "Look at `git log`, or fetch more: `git fetch --unshallow`, `fetch-depth: 0` in a workflow.",
    ),
    Code(
        "E322",
        "spec is not in the revision",
        "The spec was added, renamed or moved later, or was never committed.",
        "Name its place then, as in `--base REV:path/mlops.yaml`, or a later revision.",
    ),
    Code(
        "E323",
        "spec of the revision does not compile",
        "The spec had mistakes then, or a rule came since. What is wrong with it stands beside.",
        "Compare with the files as they were committed, `mlopsgen diff --base REV --committed`, or with another revision.",
    ),
    Code(
        "E324",
        "nothing to compare with",
        "The base has no `mlops.lock`, or the lock alone does not hold what is asked for.",
        "Run `mlopsgen build` first, or name a revision with a spec.",
    ),
    Code(
        "E325",
        "no such place in the output",
        "No target writes the file, it has fewer lines, nothing stands at the pointer, or the line on disk is not what a build writes.",
        "Look at `mlopsgen build --list`, or build first.",
    ),
    Code(
        "E326",
        "no such field in the spec",
        "The language has no such field, or the spec does not hold it, so that nothing can come from it.",
        "Look at `mlopsgen show` for every field with its value.",
    ),
    Code(
        "E327",
        "no event of GitHub",
        "A comment needs a pull request, and GitHub tells a workflow of which one it runs for by files and variables.",
        "Run it in a workflow that starts on `pull_request`.",
    ),
    Code(
        "W320",
        "base was written by another version",
        "The generated files of the revision come from another version of mlopsgen.",
        "Both sides are compiled by this version; add `--committed` to see what the other one wrote.",
    ),
    Code(
        "W321",
        "base has no lock",
        "Without a lock nobody knows which pins were in force; mlopsgen's own are taken.",
        "Commit `mlops.lock` beside the files.",
    ),
    Code(
        "W322",
        "file on disk is not what a build writes",
        "It was edited by hand, or the spec changed since the last build. The line asked for is the same in both.",
        "Run `mlopsgen build`; `mlopsgen diff` shows what differs.",
    ),
    Code(
        "W323",
        "pull request got no comment",
        "GitHub refused it or gave no answer. The check itself is not touched by that.",
        "Give the job `permissions: {contents: read, pull-requests: write}`; see the summary of the run meanwhile.",
    ),
)
