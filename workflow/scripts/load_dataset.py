"""A data set from elsewhere to dataset.h5: its images, or an index of them."""

from pathlib import Path

from vebi.config.datasets import ImageFolderConfig
from vebi.data import digits, mnist
from vebi.data.dataset import write_dataset, write_index
from vebi.data.image_folder import index_images
from vebi.run.job import job

with job(snakemake) as task:
    settings = dict(task.params.settings)
    output = task.output[0]
    if settings["kind"] == "image_folder":
        write_index(output, index_images(ImageFolderConfig(**settings)))
    elif settings["kind"] == "digits":
        write_dataset(output, digits.load(settings["size"]))
    else:
        sizes = settings["train_images"], settings["test_images"]
        write_dataset(output, mnist.load(Path(task.params.cache), *sizes))
