"""A report as one HTML page that needs nothing else: figures are embedded, there is no script."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

from vebi.diff.report import FileResult, Outcome, Report
from vebi.diff.terminal import detail, heading, plain, tally, times_allowed

MOST_LINES = 500
MOST_GROUPS = 300
OPEN_GROUPS = 4
MOST_ROWS = 15
# Pages of more than some 100 MB don't open in a browser.
PICTURES_LIMIT = 80 << 20

STYLE = """
:root { color-scheme: light dark; --line: #8886; --bad: #b3261e; --good: #1b6e3c; --soft: #8882; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #7ddc9f; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem 1.25rem 4rem;
  max-width: 84rem; }
summary { cursor: pointer; padding: .25rem 0; }
h1 { font-size: 1.6rem; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
.result { font-size: 1.2rem; font-weight: 600; border-left: .4rem solid; padding-left: .8rem; }
.different, .failed { color: var(--bad); } .alike { color: var(--good); }
.listed td, .quiet { opacity: .75; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 1rem; } dd { margin: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .7rem; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: break-word; max-width: 32rem; }
td:first-child { min-width: 8rem; }
th { white-space: nowrap; background: var(--soft); }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.pictures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); }
figure { margin: 0; } figcaption { font-size: .9rem; }
img { max-width: 100%; height: auto; border: 1px solid var(--line); background: #fff; }
li { overflow-wrap: anywhere; }
"""


def to_html(report: Report) -> str:
    """The page. Every text of a result file is escaped; the page can load nothing from outside."""
    tone = {0: "alike", 1: "different", 2: "failed"}[report.exit_code]
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">",
        f"<title>vebi diff: {tone}</title><style>{STYLE}</style></head><body>",
        "<main><h1>vebi diff</h1>",
        f'<p class="result {tone}">{_safe(report.sentence())}</p>',
        f"<dl><dt>A</dt><dd>{_safe(report.a)}</dd><dt>B</dt><dd>{_safe(report.b)}</dd></dl>",
        *(f'<p class="quiet">{_safe(note)}</p>' for note in report.notes),
        *_files(report),
        *_verdicts(report),
        *_groups(report),
        *_pictures(report),
        *_one_sided(report),
        *_provenance(report),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _safe(text: object) -> str:
    return escape(plain(text, 1000))


def _grid(
    head: Sequence[str], rows: Iterable[tuple[str, Sequence[object]]], numbers: Sequence[int] = ()
) -> list[str]:
    """A table; each row comes with its class, `numbers` are the columns set to the right."""
    lines = ['<div class="wide"><table><thead><tr>']
    lines += [f'<th scope="col">{_safe(cell)}</th>' for cell in head]
    lines.append("</tr></thead><tbody>")
    for tone, cells in rows:
        line = "".join(
            f'<td class="number">{_safe(cell)}</td>' if i in numbers else f"<td>{_safe(cell)}</td>"
            for i, cell in enumerate(cells)
        )
        lines.append(f'<tr class="{tone}">{line}</tr>')
    return [*lines, "</tbody></table></div>"]


def _tone(result: FileResult) -> str:
    return {Outcome.FAILED: "failed", Outcome.LISTED: "listed"}.get(
        result.outcome, str(result.outcome)
    )


def _files(report: Report) -> list[str]:
    order = list(reversed(Outcome))
    ranked = sorted(report.files, key=lambda r: (order.index(r.outcome), r.name))
    changed = [r for r in ranked if r.outcome is not Outcome.ALIKE or detail(r)]
    rows = [
        (
            _tone(r),
            (r.name, r.outcome, "" if r.error else tally(r), r.error or detail(r)),
        )
        for r in changed[:MOST_LINES]
    ]
    lines = ["<h2>Files</h2>"]
    if rows:
        lines += _grid(("file", "result", "differences", "notes"), rows, (2,))
    if any(r.listed for r in report.files):
        lines.append(
            '<p class="quiet">Listed: told, but no difference; <code>--strict</code> counts it.</p>'
        )
    alike = [r for r in ranked if r not in changed]
    if alike:
        items = "".join(f"<li>{_safe(r.name)}</li>" for r in alike)
        noun = "file" if len(alike) == 1 else "files"
        lines.append(
            f"<details><summary>{len(alike):,} {noun} without a difference</summary>"
            f"<ul>{items}</ul></details>"
        )
    return lines


def _groups(report: Report) -> list[str]:
    groups = report.groups()
    if not groups:
        return []
    lines = ["<h2>Largest differences first</h2>"]
    for index, group in enumerate(groups[:MOST_GROUPS]):
        first = group.findings[0]
        allowed = "" if first.excess == float("inf") else f", allowed {first.allowed}"
        listed = " listed" if group.mode == "listed" else ""
        title = f"in {group.result.name}: {group.count:,}{listed}{allowed}"
        rows = [
            (
                "listed" if group.mode == "listed" else "",
                (
                    finding.where,
                    finding.a or "absent",
                    finding.b or "absent",
                    times_allowed(finding),
                ),
            )
            for finding in group.findings[:MOST_ROWS]
        ]
        where = ", ".join(group.result.keys) or "where"
        lines.append(
            f"<details{' open' if index < OPEN_GROUPS else ''}><summary><b>{_safe(heading(group))}</b> "
            f"{_safe(title)}</summary>"
        )
        lines += _grid((where, "A", "B", "times allowed"), rows, (1, 2, 3))
        if group.count > len(rows) and len(rows) == MOST_ROWS:
            lines.append(f'<p class="quiet">The largest {len(rows):,} of {group.count:,}.</p>')
        lines.append("</details>")
    if len(groups) > MOST_GROUPS:
        lines.append(f"<p>The first {MOST_GROUPS:,} of {len(groups):,}.</p>")
    return lines


def _verdicts(report: Report) -> list[str]:
    if not report.verdicts:
        return []
    rows = [("", (v.claim, v.statement, v.a, v.b)) for v in report.verdicts]
    return ["<h2>Changed verdicts</h2>", *_grid(("claim", "statement", "A", "B"), rows)]


def _pictures(report: Report) -> list[str]:
    lines: list[str] = []
    spent, left_out = 0, 0
    for result in report.files:
        if result.pictures is None:
            continue
        images = [("A", result.pictures.a), ("B", result.pictures.b)]
        if result.pictures.change is not None:
            images.append(("where they differ", result.pictures.change))
        spent += sum(len(data) for _, data in images)
        if spent > PICTURES_LIMIT:
            left_out += 1
            continue
        lines.append(f'<h3>{_safe(result.name)}</h3><div class="pictures">')
        for caption, data in images:
            encoded = b64encode(data).decode("ascii")
            lines.append(
                f'<figure><img src="data:image/png;base64,{encoded}" '
                f'alt="{_safe(result.name)}, {caption}"><figcaption>{caption}</figcaption></figure>'
            )
        lines.append("</div>")
    if left_out:
        lines.append(f"<p>{left_out:,} more changed figures are left out of this page.</p>")
    return ["<h2>Changed figures</h2>", *lines] if lines else []


def _one_sided(report: Report) -> list[str]:
    lines: list[str] = []
    for side, names in (("A", report.only_a), ("B", report.only_b)):
        if names:
            items = "".join(
                f"<li>{_safe(name)}"
                + (" (a table: a difference)" if name in report.missing_tables else "")
                + "</li>"
                for name in names[:MOST_LINES]
            )
            lines.append(
                f"<details><summary>{len(names):,} only in {side}</summary>"
                f"<ul>{items}</ul></details>"
            )
    return ["<h2>Files on one side only</h2>", *lines] if lines else []


def _provenance(report: Report) -> list[str]:
    if not report.provenance:
        return []
    rows = [("", (c.section, c.entry, c.a, c.b)) for c in report.provenance[: 4 * MOST_LINES]]
    return [
        "<h2>Changed provenance</h2>",
        '<p class="quiet">Not a difference by itself; what may explain one.</p>',
        *_grid(("section", "entry", "A", "B"), rows),
    ]
