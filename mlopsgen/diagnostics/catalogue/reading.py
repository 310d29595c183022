"""0xx: the file and its YAML."""

from mlopsgen.diagnostics.catalogue.code import SMALLEST, Code

CODES = (
    Code("E001", "no such file", "The spec does not exist.", "Run `mlopsgen init`, or name the file or its folder."),
    Code("E002", "not a readable file", "The path is a folder, a device, or may not be read.", "Name a file that can be read."),
    Code("E003", "file too large", "A spec holds settings; over 1 MiB it holds something else.", "Keep data in data files."),
    Code("E004", "not UTF-8 text", "The file holds bytes that are no UTF-8 text, or control characters.", "Save it as UTF-8 text."),
    Code("E005", "byte order mark", "Some readers take the mark for part of the first key.", "Save the file as UTF-8 without a byte order mark."),
    Code(
        "E006",
        "CR LF line ends",
        "The digest in the lock, and so every check, would differ between systems.",
        "Convert to LF; `mlops.yaml text eol=lf` in .gitattributes keeps it so on Windows.",
    ),
    Code(
        "E007",
        "document too deep or too large",
        "A few lines of aliases can expand to gigabytes, and deep nesting can exhaust a parser.",
        "Write values out, or share them by overlays under `environments`.",
        SMALLEST + "x-loop: &loop [*loop]\n",
        (5, 16),
    ),
    Code(
        "E008",
        "merge key",
        "`<<` was dropped from YAML 1.2; readers disagree about it.",
        "Write the values out, or use an overlay under `environments`.",
        SMALLEST + "x-common: &common {epochs: 3}\ntraining:\n  <<: *common\n",
        (7, 3),
    ),
    Code(
        "E009",
        "tab in the indentation",
        "YAML allows spaces only.",
        "Indent with spaces.",
        SMALLEST + "training:\n\tepochs: 3\n",
        (6, 1),
    ),
    Code(
        "E010",
        "not YAML",
        "The text cannot be parsed.",
        "Look before the marked place for a missing quote, bracket or space.",
        SMALLEST + "training: {epochs: 3\n",
        (6, 1),
    ),
    Code(
        "E011",
        "not one mapping",
        "A spec is one document, a mapping of sections.",
        "Begin with `version: 1`; one spec per file.",
        "- version: 1\n",
        (1, 1),
    ),
    Code("E012", "key is not text", "Numbers, nulls and lists as keys are read differently by different readers.", "Quote the key.", SMALLEST + "1: x\n", (5, 1)),
    Code(
        "E013",
        "key given twice",
        "Readers keep the first, the last, or refuse; what was meant is unknown.",
        "Keep one.",
        SMALLEST + "training:\n  epochs: 3\n  epochs: 4\n",
        (7, 3),
    ),
    Code(
        "E014",
        "tag",
        "Tags can name code to run; none is needed here.",
        "Drop the tag.",
        SMALLEST + "training:\n  epochs: !!python/object:os.system 3\n",
        (6, 11),
    ),
)
