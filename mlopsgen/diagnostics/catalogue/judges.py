"""34x: what judges say of generated files, and what a first spec is taken from."""

from mlopsgen.diagnostics.catalogue.code import Code

CODES = (
    Code(
        "E340",
        "a judge refuses what comes out",
        "A program of the field, such as promtool or actionlint, finds a mistake in a file that a build makes.",
        "Change the field, the patch or the template that the finding names; what is constant in mlopsgen is for its authors.",
    ),
    Code(
        "E341",
        "required judge is missing",
        "`--require` names it, and it is neither on PATH nor beside Python.",
        "Install it, or leave out `--require`.",
    ),
    Code(
        "E342",
        "a judge gives no verdict",
        "It crashed, took too long, or said what it never says: nobody knows whether the files are right.",
        "Run the program by hand and see what is wrong with it; another version of it may help.",
    ),
    Code(
        "E345",
        "a first spec has no place",
        "`mlopsgen import` overwrites nothing, and there is a file already, or none can be written.",
        "Edit what is there, name another file with `--output`, or look only, with `--dry-run`.",
    ),
    Code(
        "E346",
        "nothing to take a first spec from",
        "The folder has no file that says anything which the language can say.",
        "Name the root of the repository, or write a spec with `mlopsgen init`.",
    ),
    Code(
        "W340",
        "a judge warns of what comes out",
        "A program of the field finds something in a generated file that works and could be better.",
        "Change the field, the patch or the template that the finding names.",
    ),
    Code(
        "W346",
        "a first spec has gaps",
        "Nothing that was read says something that every spec needs, or several things say it in different ways.",
        "Fill in the lines that say so, or give the values as options of `mlopsgen import`.",
    ),
)
