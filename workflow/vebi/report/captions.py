"""Captions: the reStructuredText files that Snakemake's report shows, too."""

import re
from html import escape
from pathlib import Path

_MARKUP = re.compile(r"``(?P<code>[^`]+)``|\*\*(?P<strong>[^*]+)\*\*|\*(?P<em>[^*]+)\*")


def read_caption(path: Path) -> str:
    """A caption as HTML, '' where there is no file. Knows literals, emphasis and paragraphs."""
    if not path.is_file():
        return ""
    paragraphs = re.split(r"\n\s*\n", path.read_text(encoding="utf-8").strip())
    return "".join(f"<p>{to_html(' '.join(p.split()))}</p>" for p in paragraphs if p.strip())


def to_text(html: str) -> str:
    """A caption without its tags, for an alternative text (still escaped)."""
    return re.sub(r"<[^>]+>", " ", html).replace("  ", " ").strip()


def to_html(text: str) -> str:
    """Inline markup of reStructuredText as HTML; all else is escaped."""
    parts, end = [], 0
    for match in _MARKUP.finditer(text):
        parts.append(escape(text[end : match.start()]))
        tag = str(match.lastgroup)
        parts.append(f"<{tag}>{escape(match[tag])}</{tag}>")
        end = match.end()
    return "".join([*parts, escape(text[end:])])
