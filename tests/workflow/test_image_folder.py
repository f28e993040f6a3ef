"""Photographs on disk through the workflow: planned with and without them, loaded, trained on."""

import re

import numpy as np
import pytest
import yaml
from PIL import Image

from vebi.config import Config

TARGETS = {
    "index": "results/photos/data/photos/dataset.h5",
    "montage": "results/photos/figures/montage_photos.png",
    "descriptors": "results/photos/descriptors/photos/matconvnet-digits/seed0/descriptors.h5",
}


def write_config(checkout, **keys):
    photos = {
        "kind": "image_folder",
        "path": "photos",
        "layout": "class_folders",
        "n_classes": 3,
        "size": 28,
        "channels": 1,
        **keys,
    }
    extra = {
        "run": "photos",
        "seeds": [0],
        "datasets": {"photos": photos},
        "models": {"matconvnet-digits": {"epochs": 1}},
        "experiments": [{"dataset": "photos", "model": "matconvnet-digits", "heatmap_mu": 10}],
        # Studies name data sets of their own.
        **{name: None for name, key in Config.model_fields.items() if key.default is None},
    }
    (checkout.folder / "photos.yaml").write_text(yaml.safe_dump(extra))
    return ("--configfile", "photos.yaml")


def write_photos(folder):
    rng = np.random.default_rng(0)
    for k, name in enumerate(("Łódź", "Paris, TX", "c")):
        (folder / name).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 120, (30, 40, 3), np.uint8)
            pixels[10 * k : 10 * k + 9] += 100
            Image.fromarray(pixels).save(folder / name / f"{i}.jpg")


def test_without_the_folder_a_dry_run_plans_and_the_job_says_what_to_do(checkout):
    config = write_config(checkout)
    assert checkout.plan(*config)["load_dataset"] == 1
    done = checkout.snakemake("--cores", "1", TARGETS["index"], *config, check=False)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "The image folder 'photos' is not there" in output
    assert "VEBI_DATA" in output
    assert "Traceback" not in output


def test_absent_data_are_left_out_with_a_line_that_says_so(checkout, tmp_path_factory):
    config = write_config(checkout, if_missing="leave_out")
    extra = yaml.safe_load((checkout.folder / "photos.yaml").read_text())
    extra["experiments"].append(
        {"dataset": "digits", "model": "matconvnet-digits", "heatmap_mu": 10}
    )
    (checkout.folder / "photos.yaml").write_text(yaml.safe_dump(extra))
    done = checkout.snakemake("-n", *config)
    assert "left out: matconvnet-digits on photos" in done.stderr
    assert re.search(r"^train +1$", done.stdout, re.MULTILINE)
    data = tmp_path_factory.mktemp("data")
    (data / "photos").mkdir()
    done = checkout.snakemake("-n", *config, VEBI_DATA=str(data))
    assert "left out" not in done.stderr
    assert re.search(r"^train +2$", done.stdout, re.MULTILINE)


def test_masks_bring_the_overlap_into_the_plan(checkout):
    assert checkout.plan(*write_config(checkout, masks="masks"))["measure_iou"] == 1
    assert "measure_iou" not in checkout.plan(*write_config(checkout))


@pytest.mark.slow
def test_photographs_are_indexed_trained_on_and_described(checkout):
    config = write_config(checkout)
    write_photos(checkout.folder / "photos")
    checkout.snakemake("--cores", "2", *TARGETS.values(), *config)
    assert (checkout.folder / TARGETS["montage"]).stat().st_size > 10_000
    done = checkout.snakemake("--cores", "2", *TARGETS.values(), *config)
    assert "Nothing to be done" in done.stdout + done.stderr
