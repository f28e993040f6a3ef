import numpy as np
import pandas as pd
import pytest

from vebi.catalogue.methods import DRAWN, PEER
from vebi.studies.occlusion.figures import draw_occlusion
from vebi.studies.occlusion.occlusion_file import CONTROL, Occlusion
from vebi.studies.occlusion.tables import curve_table, paired_table


def test_the_figure_shows_the_tables_numbers():
    fractions = np.linspace(0, 0.3, 4)
    methods = ["vebi", PEER.name, CONTROL]
    runs = [
        {m: Occlusion(rng.random((20, 2, 4)), np.arange(20), np.arange(20)) for m in methods}
        for rng in map(np.random.default_rng, (0, 1))
    ]
    curves = pd.concat(
        curve_table(run, fractions).assign(dataset="d", model="m", seed=seed)
        for seed, run in enumerate(runs)
    )
    paired = paired_table(runs).assign(dataset="d", model="m")
    figure = draw_occlusion(curves, paired)
    figure.canvas.draw()
    upper, lower = figure.axes
    for method in methods:
        expected = np.mean([run[method].confidence.mean((0, 1)) for run in runs], axis=0)
        drawn = [line for line in upper.lines if line.get_color() == DRAWN[method].colour]
        assert [line.get_ydata().tolist() for line in drawn] == [pytest.approx(expected)]
    points = {
        line.get_color(): line.get_xdata()[0] for line in lower.lines if line.get_marker() == "o"
    }
    for method in ("vebi", CONTROL):
        per_run = [
            (run[method].confidence - run[PEER.name].confidence)[..., 1:].mean() for run in runs
        ]
        assert points[DRAWN[method].colour] == pytest.approx(np.mean(per_run))
