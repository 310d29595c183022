"""Every diagnostic code: what it means, why it is refused, what to do, an example. The docs are made from this."""

from __future__ import annotations

from mlopsgen.diagnostics.catalogue import language, output, reading, sections
from mlopsgen.diagnostics.catalogue.code import Code

CODES: dict[str, Code] = {code.id: code for code in (*reading.CODES, *language.CODES, *sections.CODES, *output.CODES)}
