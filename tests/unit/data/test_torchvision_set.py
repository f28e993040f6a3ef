"""Data sets of torchvision: made ones, made folders in its layouts, and the original MNIST."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.config.datasets import TorchvisionConfig
from vebi.data import mnist
from vebi.data.dataset import open_dataset
from vebi.data.decoding import decoding_for, read_pixels
from vebi.data.torchvision_set import write
from vebi.io.errors import VebiError

declare_missing_ops()
REAL = Path(os.environ.get("VEBI_DATA", Path(__file__).parents[4] / "shared" / "data"))
WNIDS = ("n01440764", "n02102040", "n03888257")
FAKE = {"name": "FakeData", "n_classes": 3, "size": 16, "kwargs": {"size": 40, "num_classes": 3}}
FAKE["kwargs"]["image_size"] = [3, 20, 24]


@pytest.fixture(autouse=True)
def without_data(monkeypatch):
    monkeypatch.delenv("VEBI_DATA", raising=False)


def config(**keys):
    return TorchvisionConfig(kind="torchvision", **keys)


def load(tmp_path, settings, name="d.h5"):
    write(settings, tmp_path / name, tmp_path / "cache")
    return open_dataset(tmp_path / name)


def imagenette(**keys):
    splits = {"train": {"split": "train"}, "test": {"split": "val"}}
    own = {"name": "Imagenette", "n_classes": 3, "size": 32, "kwargs": {"size": "160px"}}
    return config(**{**own, **splits, **keys})


def write_imagenette(folder, n=4):
    """Images of random pixels in torchvision's layout of the set, as its download leaves it."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for wnid in WNIDS:
            place = folder / "imagenette2-160" / split / wnid
            place.mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{i}.JPEG")
    return folder


def test_a_set_without_splits_gets_them_drawn_by_class(tmp_path):
    from torchvision.datasets import FakeData

    settings = config(**FAKE, test_fraction=0.25)
    data = load(tmp_path, settings)
    fake = FakeData(size=40, image_size=(3, 20, 24), num_classes=3)
    expected = [fake[i] for i in range(40)]
    totals = np.bincount([label for _, label in expected], minlength=3)
    for split, share in ((1, 0.25), (0, 0.75)):
        found = np.bincount(data.labels[data.indices(split)], minlength=3)
        assert np.abs(found - share * totals).max() <= 0.5
    # Every image once, resized by Pillow, with its own label.
    resized = [
        (np.asarray(image.resize((16, 16), Image.Resampling.BICUBIC)).tobytes(), label)
        for image, label in expected
    ]
    written = [
        (image.tobytes(), int(label))
        for image, label in zip(data.read("images"), data.labels, strict=True)
    ]
    assert sorted(written) == sorted(resized)
    assert data.classes == ("0", "1", "2")


def test_another_seed_draws_another_split_and_the_same_one_the_same_bytes(tmp_path):
    files = []
    for i, seed in enumerate((0, 0, 1)):
        write(config(**FAKE, seed=seed), tmp_path / f"{i}.h5", tmp_path)
        files.append((tmp_path / f"{i}.h5").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_imagenette_from_disk_has_its_splits_names_and_wnids(tmp_path, monkeypatch):
    write_imagenette(tmp_path / "Imagenette")
    monkeypatch.setenv("VEBI_DATA", str(tmp_path))
    data = load(tmp_path, imagenette(resize="crop", first_size=36))
    assert data.classes == ("tench", "English springer", "parachute")
    assert data.class_ids == WNIDS
    assert data.image_shape == (32, 32, 3)
    assert data.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2] * 2
    assert data.split.tolist() == [0] * 12 + [1] * 12
    decoding = decoding_for(imagenette(resize="crop", first_size=36))
    for row, file in ((5, "train/n02102040/1.JPEG"), (23, "val/n03888257/3.JPEG")):
        path = tmp_path / "Imagenette/imagenette2-160" / file
        assert np.array_equal(data.images_at(np.array([row]))[0], read_pixels(path, decoding))


def test_a_smaller_limit_gives_the_first_of_a_larger_one(tmp_path):
    write_imagenette(tmp_path / "cache/Imagenette", n=6)
    few, more = (
        load(tmp_path, imagenette(train_per_class=n, test_per_class=1), f"{n}.h5") for n in (2, 4)
    )
    pixels = [{image.tobytes() for image in data.read("images")} for data in (few, more)]
    for data, n in ((few, 2), (more, 4)):
        assert np.bincount(data.labels[data.split == 0]).tolist() == [n] * 3
        assert np.bincount(data.labels[data.split == 1]).tolist() == [1] * 3
    assert pixels[0] < pixels[1]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"name": "Imagnette"}, "Did you mean 'Imagenette'"),
        ({"train": None, "test": None}, "say which are which"),
        ({"kwargs": {"sise": 3}}, "takes no argument 'sise'; it takes root"),
        ({"train": {"split": "training"}}, "training"),
        ({"n_classes": 4}, "has 3 classes, but n_classes is 4: set n_classes to 3"),
        ({"name": "VOCDetection", "kwargs": {}, "train": None, "test": None}, "VOCDetection"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, keys, message):
    write_imagenette(tmp_path / "cache/Imagenette")
    with pytest.raises(VebiError, match=message):
        load(tmp_path, imagenette(**keys))


def test_labels_beyond_the_classes_and_labels_that_are_no_numbers_are_refused(tmp_path):
    with pytest.raises(VebiError, match="label 2, but n_classes is 2"):
        load(tmp_path, config(**{**FAKE, "n_classes": 2}))
    with pytest.raises(VebiError, match=r"1 of 4 classes .* have no training images: 3"):
        load(tmp_path, config(**{**FAKE, "n_classes": 4}))


def test_without_data_and_network_three_ways_out_are_named(tmp_path, monkeypatch):
    # A closed port of this machine instead of the archive: the download fails at once, for real.
    monkeypatch.setattr(
        "torchvision.datasets.Imagenette._ARCHIVES",
        dict.fromkeys(("full", "160px"), ("http://127.0.0.1:9/imagenette2-160.tgz", "0" * 32)),
    )
    with pytest.raises(VebiError) as raised:
        load(tmp_path, imagenette())
    cache = str(tmp_path / "cache/Imagenette")
    for remedy in ("(1) set VEBI_DATA", f"(2) put it into {cache}", "(3) connect", "image_folder"):
        assert remedy in str(raised.value)
    assert not (tmp_path / "d.h5").exists()


def test_a_set_that_torchvision_does_not_download_says_so(tmp_path):
    with pytest.raises(VebiError, match="torchvision does not download it"):
        load(
            tmp_path,
            config(
                name="ImageNet",
                n_classes=1000,
                train={"split": "train"},
                test={"split": "val"},
            ),
        )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kwargs": {"root": "x"}}, "root is not for you to set"),
        ({"test": {"download": True}, "train": {}}, "download is not for you to set"),
        ({"kwargs": {"size": {"a": 1}}}, "a number, text, true, false or a list"),
        ({"train": {"train": True}}, "train and test belong together"),
        ({"resize": "crop", "first_size": 8}, "from which no 16 x 16 can be cut"),
    ],
)
def test_the_configuration_refuses(keys, message):
    with pytest.raises(ValueError, match=message):
        config(**{**FAKE, **keys})


@pytest.mark.skipif(not (REAL / "mnist").is_dir(), reason=f"MNIST is not in {REAL}")
def test_mnist_through_torchvision_is_mnist_through_our_own_reader(tmp_path):
    raw = tmp_path / "cache/MNIST/MNIST/raw"
    raw.mkdir(parents=True)
    for name in mnist.FILES:
        shutil.copy(REAL / "mnist" / name, raw)
    settings = {"name": "MNIST", "n_classes": 10, "size": 28, "channels": 1}
    limits = {"train_per_class": 40, "test_per_class": 5}
    data = load(tmp_path, config(**settings, **limits))
    assert data.classes[0] == "0 - zero"
    whole = mnist.load(raw)
    known = {
        (image.tobytes(), int(label), int(split))
        for image, label, split in zip(whole.images, whole.labels, whole.split, strict=True)
    }
    found = {
        (image.tobytes(), int(label), int(split))
        for image, label, split in zip(data.read("images"), data.labels, data.split, strict=True)
    }
    assert found <= known
    assert len(found) == 450
