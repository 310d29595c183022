"""3xx: the user's tree. 4xx: templates."""

from mlopsgen.diagnostics.catalogue.code import Code

_WAYS = "Put the change under `patches:`, list the file under `unmanaged:`, or overwrite it with `--force`."

CODES = (
    Code(
        "W301",
        "stale file was edited",
        "The file no longer comes out, but was edited by hand, so it stays. It is yours now.",
        "Keep it or delete it.",
    ),
    Code("E301", "file is not ours", "A file of yours stands where a generated one belongs.", _WAYS),
    Code("E302", "file was edited by hand", "A generated file differs from what was generated.", _WAYS),
    Code(
        "E303",
        "lock cannot be read",
        "`mlops.lock` is not text or too large, so nobody knows which files are ours.",
        "Restore it from Git, or delete it and run `mlopsgen build --force`.",
    ),
    Code(
        "E304",
        "symbolic link on the way",
        "Writing through a link could change files outside of the project.",
        "Replace the link by a real file or folder.",
    ),
    Code("E305", "path leaves the project", "Generated files stay inside the project.", "Correct the path."),
    Code(
        "E306",
        "something is in the way",
        "A folder, device or unreadable file stands where a file belongs.",
        "Move it away.",
    ),
    Code(
        "E307",
        "path made twice",
        "Two targets write the same path, perhaps in different case.",
        "Switch one of them off, or rename.",
    ),
    Code("E308", "another build is running", "Only one build at a time works in a folder.", "Wait for it to end."),
    Code(
        "E309",
        "cannot write",
        "The system refused: disk full, no permission, read-only.",
        "Put that right and build again; nothing is half written.",
    ),
    Code(
        "E401",
        "template is broken",
        "A template has a syntax error, names something unknown, or does not exist.",
        "Correct your template.",
    ),
    Code(
        "E403",
        "expression is not a YAML node",
        "An expression stands for one whole value, entry or key, so that no value can change the structure.",
        "Join inside the expression: `[[ a ~ b ]]`; no quotes or text around it.",
    ),
    Code(
        "E404",
        "value is not one line",
        "Outside of YAML an expression is inserted as it is, so it must be one line of printable text.",
        "Interpolate a scalar.",
    ),
)
