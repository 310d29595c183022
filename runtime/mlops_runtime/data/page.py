"""Reports as one HTML file each: no script, nothing fetched, readable in light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --one: #4269d0; --other: #efb118; --bad: #c0392b; --good: #2e8b57 }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .3rem .7rem; vertical-align: top;
border-bottom: 1px solid var(--line) } td { overflow-wrap: break-word }
td.good, td.bad, td.unknown { white-space: nowrap } .bad { color: var(--bad); font-weight: 600 }
.good { color: var(--good) } .unknown { color: #b8860b } figure { margin: 1rem 0 } figcaption { font-size: .9rem }
svg { width: 100%; height: auto } .one { fill: var(--one) } .other { fill: none; stroke: var(--other); stroke-width: 2 }
text { fill: currentColor; font-size: 11px } .axis { stroke: currentColor; opacity: .5 }
@media print { body { max-width: none } }
"""

WIDTH, HEIGHT, BELOW, ABOVE = 720, 170, 22, 14


def document(title: str, body: Sequence[str]) -> str:
    """A whole page from parts of HTML."""
    inside = "\n".join(body)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{inside}\n</body>\n</html>\n"
    )


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph; `kind` is `good`, `bad`, `unknown` or nothing."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def heading(text: str) -> str:
    """A heading of a section."""
    return f"<h2>{escape(text)}</h2>"


def rows(headers: Sequence[str], cells: Sequence[Sequence[str]], kinds: Sequence[str]) -> str:
    """A table; `kinds` gives the look of each row's last cell: `good`, `bad` or `unknown`."""
    head = "".join(f'<th scope="col">{escape(header)}</th>' for header in headers)
    lines = []
    for row, kind in zip(cells, kinds, strict=True):
        plain = "".join(f"<td>{escape(cell)}</td>" for cell in row[:-1])
        lines.append(f'<tr>{plain}<td class="{kind}">{escape(row[-1])}</td></tr>')
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody>\n</table>"


def bars(caption: str, labels: Sequence[str], shares: Sequence[float], before: Sequence[float] | None = None) -> str:
    """A histogram: shares as bars, and as a line on top those of `before`, when given.

    Args:
        caption: what is shown; also what a screen reader says.
        labels: of the bars, as many as shares; only some are written below.
        shares: heights, 0 to 1.
        before: of the reference.
    """
    highest = max([*shares, *(before or ()), 1e-12])
    room, step = HEIGHT - BELOW - ABOVE, WIDTH / max(len(shares), 1)

    def top(share: float) -> float:
        return ABOVE + room * (1 - share / highest)

    parts = [
        f'<rect class="one" x="{index * step:.1f}" y="{top(share):.1f}" width="{max(step - 1, 0.5):.1f}" '
        f'height="{room * share / highest:.1f}"><title>{escape(label)}: {share:.2%}</title></rect>'
        for index, (label, share) in enumerate(zip(labels, shares, strict=True))
    ]
    if before is not None:
        points = [f"{index * step + side:.1f},{top(v):.1f}" for index, v in enumerate(before) for side in (0, step)]
        parts.append(f'<polyline class="other" points="{" ".join(points)}"/>')
    base = HEIGHT - BELOW
    parts.append(f'<line class="axis" x1="0" y1="{base}" x2="{WIDTH}" y2="{base}"/>')
    every = max(1, -(-len(labels) // 8))
    parts += [
        f'<text x="{index * step:.1f}" y="{HEIGHT - 6}">{escape(label[:14])}</text>'
        for index, label in enumerate(labels)
        if index % every == 0
    ]
    parts.append(f'<text x="0" y="10">{highest:.1%}</text>')
    drawing = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(caption)}">{"".join(parts)}</svg>'
    return f"<figure><figcaption>{escape(caption)}</figcaption>{drawing}</figure>"
