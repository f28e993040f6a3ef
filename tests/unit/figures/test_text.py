"""Text that fits: never wider than asked for, its beginning and end kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vebi.figures.text import ELLIPSIS, fit_text, text_width

NAME = "backbone.layer4.2.conv3.very_long_part.depthwise_separable_activation"


def drawn_width(text: str, size: float) -> float:
    """What matplotlib itself measures, in points."""
    figure = Figure(dpi=720)
    drawn = figure.text(0, 0, text, fontsize=size, parse_math=False)
    return drawn.get_window_extent(FigureCanvasAgg(figure).get_renderer()).width / 10


@pytest.mark.parametrize("text", ["features.7.squeeze_activation", "WWW", "iii", "costs $5 or $6"])
def test_widths_are_matplotlib_s(text: str) -> None:
    assert text_width(text, 7.5) == pytest.approx(drawn_width(text, 7.5), abs=0.2)


@given(st.text("abcWMi._-/ $", max_size=70), st.floats(20, 150), st.integers(1, 3))
def test_nothing_is_wider_or_longer(text: str, width: float, lines: int) -> None:
    wrapped = fit_text(text, width, 7.5, lines).split("\n")
    assert len(wrapped) <= lines
    assert all(text_width(line, 7.5) <= width for line in wrapped)


@given(st.lists(st.text("abcWi", min_size=1, max_size=6), min_size=1, max_size=5))
def test_what_fits_is_whole(parts: list[str]) -> None:
    """Broken at the ends of its parts only, if each fits on a line."""
    text = ".".join(parts)
    wrapped = fit_text(text, 60, 7.5, 10)
    assert wrapped.replace("\n", "") == text
    assert all(line.endswith(".") for line in wrapped.split("\n")[:-1])


def test_the_middle_is_left_out() -> None:
    short = fit_text(NAME, 100, 7.5).replace("\n", "")
    start, end = short.split(ELLIPSIS)
    assert start
    assert NAME.startswith(start)
    assert end
    assert NAME.endswith(end)
