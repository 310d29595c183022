"""Every diagnostic code: what it means, why it is refused, what to do, an example. The docs are made from this."""

from __future__ import annotations

from mlopsgen.diagnostics.catalogue import (
    absorbing,
    judges,
    language,
    monitoring,
    output,
    overview,
    reading,
    review,
    sections,
    workspace,
)
from mlopsgen.diagnostics.catalogue.code import Code

CODES: dict[str, Code] = {
    code.id: code
    for module in (reading, language, sections, monitoring, output, review, overview, workspace, judges, absorbing)
    for code in module.CODES
}
