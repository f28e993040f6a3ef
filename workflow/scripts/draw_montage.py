"""dataset.h5 to a montage."""

from vebi.data.dataset import TRAIN, open_dataset
from vebi.figures.images import pick_examples
from vebi.figures.style import save
from vebi.run.job import job
from vebi.studies.networks.figures import draw_montage

with job(snakemake):
    dataset = open_dataset(snakemake.input[0])
    # Two of each class; of many classes some, or the figure would have thousands of images.
    n = min(max(24, 2 * len(dataset.classes)), 48)
    chosen = pick_examples(dataset.labels, dataset.split, TRAIN, n)
    masks = dataset.read("masks", chosen) if dataset.has_masks else None
    titles = [dataset.classes[dataset.labels[i]] for i in chosen]
    save(draw_montage(dataset.read("images", chosen), titles, masks), snakemake.output[0])
