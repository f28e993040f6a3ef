"""Networks of 1,000 outputs and sets of torchvision's through the workflow, without any download."""

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from vebi.config import Config

WNIDS = ("n01440764", "n03888257")
NETWORK = '''"""A network of 1,000 outputs, as those of ImageNet."""

import torch
from torch import nn


def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1000)
    )
'''
RUN = "results/photos/{stage}/{dataset}/mine/seed0/{file}"


def configure(folder):
    """Two classes of ImageNet in a folder, ten of noise by torchvision; one network for both."""
    rng = np.random.default_rng(0)
    for wnid in WNIDS:
        for split in ("train", "val"):
            (folder / "photos" / split / wnid).mkdir(parents=True)
            for i in range(4):
                pixels = rng.integers(0, 256, (24, 24, 3), np.uint8)
                Image.fromarray(pixels).save(folder / "photos" / split / wnid / f"{i}.png")
    (folder / "my_net.py").write_text(NETWORK)
    photos = {"kind": "image_folder", "path": "photos", "layout": "split_folders", "size": 24}
    fake = {"kind": "torchvision", "name": "FakeData", "n_classes": 2, "size": 24}
    fake["kwargs"] = {"size": 24, "num_classes": 2, "image_size": [3, 20, 20]}
    table = "workflow/vebi/models/imagenet_classes.csv"
    config = {
        "run": "photos",
        "seeds": [0],
        "datasets": {
            "two": {**photos, "n_classes": 2},
            "every": {**photos, "n_classes": 1000, "all_classes": table},
            "fake": fake,
            "stand-in": {**fake, "instead_of": "two"},
        },
        "models": {
            "mine": {"factory": "my_net.py:make", "epochs": 0, "scale": 255},
            "trained": {"factory": "my_net.py:make", "epochs": 1},
        },
        "experiments": [
            {"dataset": name, "model": "mine", "heatmap_mu": 10}
            for name in ("two", "every", "stand-in")
        ],
        "selection": {"labels": "predictions", "mu": [10]},
        **{name: None for name, key in Config.model_fields.items() if key.default is None},
        "controls": {"repeats": 2},
    }
    (folder / "photos.yaml").write_text(yaml.safe_dump(config))
    return ("--configfile", "photos.yaml")


def test_a_stand_in_is_planned_where_the_folder_is_not(checkout):
    config = configure(checkout.folder)
    done = checkout.snakemake("-n", *config)
    assert "left out: mine on stand-in, which stands in for two" in done.stderr
    values = yaml.safe_load((checkout.folder / "photos.yaml").read_text())
    values["datasets"]["two"]["if_missing"] = "leave_out"
    values["datasets"]["two"]["path"] = "elsewhere"
    (checkout.folder / "photos.yaml").write_text(yaml.safe_dump(values))
    done = checkout.snakemake("-n", *config)
    assert "left out: mine on two, whose images are not here" in done.stderr
    assert "stand-in" not in done.stderr


@pytest.mark.slow
def test_1000_outputs_and_rows_chosen_by_wnid_agree(checkout):
    config = configure(checkout.folder)
    names = ["two", "every"]
    targets = [
        RUN.format(stage=stage, dataset=name, file=file)
        for name in names
        for stage, file in (
            ("descriptors", "descriptors.h5"),
            ("models", "history.csv"),
            ("controls", "controls.csv"),
        )
    ]
    fake = "results/photos/data/fake/dataset.h5"
    checkout.snakemake("--cores", "2", *targets, fake, *config)
    found = {}
    for name in names:
        with h5py.File(
            checkout.folder / RUN.format(stage="descriptors", dataset=name, file="descriptors.h5")
        ) as file:
            found[name] = file["X"][:], file["predictions"][:], file["labels"][:]
            assert len(file.attrs["classes"]) == {"two": 2, "every": 1000}[name]
    # The same images give the same responses; only what may be predicted differs.
    np.testing.assert_allclose(found["two"][0], found["every"][0], rtol=1e-6)
    assert set(found["two"][1]) <= {0, 1}
    assert set(found["every"][2]) == {0, 701}
    controls = pd.read_csv(
        checkout.folder / RUN.format(stage="controls", dataset="two", file="controls.csv")
    )
    assert set(controls["control"]) >= {"random_norm_matched", "random_share_matched"}
    with h5py.File(checkout.folder / fake) as file:
        assert file["images"].shape == (24, 24, 24, 3)
