"""35x: pictures of a project."""

from mlopsgen.diagnostics.catalogue.code import Code

CODES = (
    Code(
        "E350",
        "report cannot be written there",
        "A file of that name exists and is no report of mlopsgen's, or the system refuses to write it.",
        "Name another file with `--output`, or remove that one.",
    ),
    Code(
        "W350",
        "diagram is too large for Mermaid",
        "As it is set up by default, and on GitHub, Mermaid draws 500 arrows and reads 50,000 characters at most.",
        "Draw one view at a time, `mlopsgen graph --view monitoring`, or look at `mlopsgen report`.",
    ),
)
