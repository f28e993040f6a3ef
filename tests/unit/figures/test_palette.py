"""Colours that share a plot can be told apart, also by those who don't see red or green."""

import re
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from vebi.catalogue.methods import DRAWN, USER_LOOKS, user_method
from vebi.figures import style
from vebi.studies.iou.figures import REGIONS
from vebi.studies.perturbation import figures as resampling

# Okabe and Ito 2008: the palette that is made for it sets the distance that is asked for.
OKABE_ITO = (
    *("#000000", "#E69F00", "#56B4E9", "#009E73"),
    *("#F0E442", "#0072B2", "#D55E00", "#CC79A7"),
)
# Machado et al. 2009, Table 1, severity 1.0; acts on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
# Ottosson 2020, linear RGB to OKLab.
TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def seen(colour, sight):
    """OKLab coordinates of a colour as it looks with a kind of sight."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return TO_LAB @ np.cbrt(TO_LMS @ np.clip(SIGHT[sight] @ linear, 0, 1))


def distance(a, b):
    """The smallest distance of two colours over all kinds of sight."""
    return min(np.linalg.norm(seen(a, sight) - seen(b, sight)) for sight in SIGHT)


ENOUGH = min(distance(a, b) for a, b in combinations(OKABE_ITO, 2))


def test_the_simulation_takes_red_for_green_and_leaves_blue():
    for sight in ("protanopia", "deuteranopia"):
        # On the confusion line of red and green all that differs is lightness.
        red, green = seen("#ff0000", sight), seen("#00ff00", sight)
        both = np.linalg.norm(seen("#ff0000", "normal")[1:] - seen("#00ff00", "normal")[1:])
        assert np.linalg.norm(red[1:] - green[1:]) < 0.4 * both
        blue = np.linalg.norm(seen("#0000ff", sight) - seen("#0000ff", "normal"))
        assert blue < 0.15
        assert np.allclose(seen("#808080", sight), seen("#808080", "normal"), atol=1e-3)


def test_methods_differ_in_colour_or_in_the_line():
    users = [user_method(f"mine{k}", "a:b", place=k) for k in range(len(USER_LOOKS))]
    methods = [*DRAWN.values(), *users]
    alike = {
        (a.name, b.name)
        for a, b in combinations(methods, 2)
        if distance(a.colour, b.colour) < ENOUGH and a.line == b.line
    }
    assert alike == set()
    # With normal sight colour alone is enough.
    for a, b in combinations(methods, 2):
        assert np.linalg.norm(seen(a.colour, "normal") - seen(b.colour, "normal")) > 0.1


def test_the_paper_s_methods_differ_in_colour_alone():
    colours = [method.colour for method in DRAWN.values() if method.paper]
    assert len(colours) == 4
    assert min(distance(a, b) for a, b in combinations(colours, 2)) >= ENOUGH


@pytest.mark.parametrize(
    "colours",
    [
        style.CONDITION_COLOURS,
        style.VERDICT_COLOURS,
        style.LAYER_COLOURS,
        resampling.PAIR_COLOURS,
        resampling.CHOICE_COLOURS,
        {name: colour for name, (_, colour) in REGIONS.items()},
    ],
    ids=["conditions", "verdicts", "layers", "pairs", "choices", "parts"],
)
def test_what_shares_a_plot_differs_in_colour_alone(colours):
    for (a, colour_a), (b, colour_b) in combinations(colours.items(), 2):
        assert distance(colour_a, colour_b) >= ENOUGH, (a, b)


def test_colours_of_methods_are_written_in_one_place(root):
    """No other file says what colour a method has."""
    known = {method.colour.lower() for method in DRAWN.values()}
    for path in (root / "workflow/vebi").rglob("*.py"):
        if path.parent.name != "catalogue":
            found = {text.lower() for text in re.findall(r"#[0-9a-fA-F]{6}\b", path.read_text())}
            assert found & known == set(), path
