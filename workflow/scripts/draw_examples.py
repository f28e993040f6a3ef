"""Heatmaps of some test images to a figure."""

from pathlib import Path

import numpy as np

from vebi.catalogue.methods import CHANCE
from vebi.data.dataset import TEST, open_dataset
from vebi.figures.images import pick_examples, read_rows
from vebi.figures.style import save
from vebi.run.job import job
from vebi.studies.explanations.figures import draw_examples
from vebi.studies.iou.curve import area_under_curve
from vebi.studies.iou.iou_file import read_curves

with job(snakemake):
    dataset = open_dataset(snakemake.input.dataset)
    chosen = pick_examples(dataset.labels, dataset.split, TEST, snakemake.params.images)
    rows = np.searchsorted(dataset.indices(TEST), chosen)
    heatmaps = {Path(p).stem: read_rows(p, "heatmaps", rows) for p in snakemake.input.heatmaps}
    curves = read_curves(snakemake.input.iou)
    with_distractors = "mass_on_distractors" in curves[CHANCE.name].scores
    figure = draw_examples(
        dataset.read("images", chosen),
        dataset.read("masks", chosen),
        heatmaps,
        [dataset.classes[dataset.labels[i]] for i in chosen],
        {method: area_under_curve(curves[method].curves[rows]) for method in heatmaps},
        dataset.read("distractor_masks", chosen) if with_distractors else None,
    )
    save(figure, snakemake.output[0])
