"""33x: edits of generated files taken over into the spec, and specs of older versions of the language."""

from mlopsgen.diagnostics.catalogue.code import Code

CODES = (
    Code(
        "E330",
        "file to absorb is not ours",
        "A file lies where mlopsgen would write one, but it never did. What differs is no edit of a generated file.",
        "Move it away, list it under `unmanaged:`, or overwrite it with `mlopsgen build --force`.",
    ),
    Code(
        "E331",
        "spec and file both changed",
        "The file was edited, and the spec, a template or mlopsgen itself says something else for it than at the last build: what differs is not the edit alone.",
        "Put the spec back as it was built last, run `mlopsgen absorb`, then change it again.",
    ),
    Code(
        "E332",
        "spec changed meanwhile",
        "Someone wrote mlops.yaml between the time it was read and the time it would have been written.",
        "Run the command again.",
    ),
    Code(
        "E335",
        "spec cannot be migrated",
        "A field of the older version has no value of today's, or stands beside the field that it became.",
        "Change the line as it says, then run `mlopsgen migrate` again.",
    ),
    Code(
        "E336",
        "spec of an older version",
        "The document is written in an older version of the language, in which fields have other names and values.",
        "Run `mlopsgen migrate`: it rewrites the file and keeps comments and layout.",
        "version: 0\nproject: {name: docs}\ndata: {raw: data/raw}\nmodel: {base: acme/tiny}\n",
        (1, 10),
    ),
    Code(
        "E337",
        "spec of a newer version",
        "The document is written in a version of the language that this mlopsgen does not know.",
        "Install a newer mlopsgen.",
        "version: 2\nproject: {name: docs}\ndata: {raw: data/raw}\nmodel: {base: acme/tiny}\n",
        (1, 10),
    ),
    Code(
        "W330",
        "comment or layout cannot be absorbed",
        "What was edited says the same to every reader. mlops.yaml has no word for comments and layout of generated files.",
        "Use a template of your own, list the file under `unmanaged:`, or let `mlopsgen build --force` drop it.",
    ),
    Code(
        "W331",
        "value cannot be absorbed",
        "No field says it, and no patch can: patches change values in YAML and JSON files that have the objects which mlopsgen makes.",
        "Use a template of your own, list the file under `unmanaged:`, or take the edit back.",
    ),
    Code(
        "W332",
        "nothing to absorb from the file",
        "The file is yours already, or it is not on disk.",
        "Nothing need be done.",
    ),
    Code(
        "W334",
        "pin is not the one in force",
        "A pin holds for every use, and the newest that is known is in force: one that was changed in some places only, or that is older, is not taken.",
        "Change all uses of the file, or take the change back.",
    ),
)
