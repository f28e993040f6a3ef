"""Text that has to fit: wrapped, and shortened in the middle, by the width that it is drawn with."""

import re
from functools import cache

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties

ELLIPSIS = "\u2026"
# Fine enough that the rounding to whole dots is nothing.
_DOTS_PER_POINT = 10


def layer_label(name: str, layer_type: str = "") -> str:
    """A layer's name as its network's author knows it: without `net`, the module that holds it here.

    Where the name is a mere place, as in `nn.Sequential`, its type stands behind it: `2 (conv)`.
    """
    own = name.removeprefix("net.")
    is_place = re.fullmatch(r"\d+(#\d+)?", own.rpartition(".")[2]) is not None
    return f"{own} ({layer_type})" if is_place and layer_type else own


def feature_label(layer: str, channel: int, layer_type: str = "") -> str:
    """A feature in running text: `conv2, channel 14`."""
    return f"{layer_label(layer, layer_type)}, channel {channel}"


@cache
def text_width(text: str, size: float) -> float:
    """Width in points of a line of text in the style's font at `size` points."""
    renderer = RendererAgg(1, 1, 72 * _DOTS_PER_POINT)
    width, _, _ = renderer.get_text_width_height_descent(text, FontProperties(size=size), False)
    return float(width) / _DOTS_PER_POINT


def fit_text(text: str, width: float, size: float, lines: int = 2) -> str:
    """The text on at most `lines` lines of `width` points, broken behind a space, `.`, `_`, `-` or `/`.

    What does not fit loses its middle, which says the least in the name of a layer or a class.
    """
    text = " ".join(text.split())
    if not text:
        return ""
    for kept in range(len(text), 0, -1):
        wrapped = _wrap(_shortened(text, kept), width, size)
        if len(wrapped) <= lines:
            return "\n".join(wrapped)
    return ELLIPSIS


def _shortened(text: str, n: int) -> str:
    """At most n characters, the middle left out."""
    if len(text) <= n:
        return text
    end = n // 2
    return f"{text[: n - 1 - end]}{ELLIPSIS}{text[len(text) - end :]}"


def _wrap(text: str, width: float, size: float) -> list[str]:
    lines, line = [], ""
    for part in re.findall(r"[^\s._/-]*[\s._/-]*", text):
        if line and text_width((line + part).rstrip(), size) > width:
            lines.append(line.rstrip())
            line = ""
        line += part
        # A part that fits on no line is broken anywhere.
        while text_width(line.rstrip(), size) > width and len(line) > 1:
            n = len(line) - 1
            while n > 1 and text_width(line[:n], size) > width:
                n -= 1
            lines.append(line[:n])
            line = line[n:]
    return [*lines, line.rstrip()] if line.strip() else lines
