import itertools

import pandas as pd
import pytest

from vebi.catalogue.methods import METHODS
from vebi.studies.sanity.figures import draw_sanity
from vebi.studies.sanity.sanity_file import ONLY, RANDOM_LABELS


def test_every_method_stands_in_colour_once_with_its_numbers():
    methods = list(METHODS)
    stages = ["fc", "conv", f"{ONLY}fc", RANDOM_LABELS]
    value = {(m, s): (i + j) / 20 for (i, m), (j, s) in itertools.product(
        enumerate(methods), enumerate(stages))}  # fmt: skip
    rows = [
        {"method": m, "randomised_up_to": s, "rank_correlation": value[m, s], "step": j + 1,
         "seed": seed, "ci_low": 0.0, "ci_high": 1.0, "n_images": 9, "dataset": "d", "model": "m"}
        for m, (j, s), seed in itertools.product(methods, enumerate(stages), (0, 1))
    ]  # fmt: skip
    figure = draw_sanity(pd.DataFrame(rows))
    figure.canvas.draw()
    lines = [line for axis in figure.axes for line in axis.lines if line.get_label()[0] != "_"]
    assert [line.get_color() for line in lines] == [METHODS[m].colour for m in methods]
    for method, line in zip(methods, lines, strict=True):
        assert line.get_ydata() == pytest.approx([1, value[method, "fc"], value[method, "conv"]])
    diamonds = [line for axis in figure.axes for line in axis.lines if line.get_marker() == "D"]
    assert [line.get_ydata()[0] for line in diamonds] == pytest.approx(
        [value[m, RANDOM_LABELS] for m in methods]
    )
