"""Captions: the reStructuredText of the records, which Snakemake's report shows, too."""

import re
from html import escape

_MARKUP = re.compile(r"``(?P<code>[^`]+)``|\*\*(?P<strong>[^*]+)\*\*|\*(?P<em>[^*]+)\*")


def to_paragraphs(caption: str) -> str:
    """A caption as HTML paragraphs, '' for none. Knows literals, emphasis and paragraphs."""
    paragraphs = re.split(r"\n\s*\n", caption.strip())
    return "".join(f"<p>{to_html(' '.join(p.split()))}</p>" for p in paragraphs if p.strip())


def to_html(text: str) -> str:
    """Inline markup of reStructuredText as HTML; all else is escaped."""
    parts, end = [], 0
    for match in _MARKUP.finditer(text):
        parts.append(escape(text[end : match.start()]))
        tag = str(match.lastgroup)
        parts.append(f"<{tag}>{escape(match[tag])}</{tag}>")
        end = match.end()
    return "".join([*parts, escape(text[end:])])
