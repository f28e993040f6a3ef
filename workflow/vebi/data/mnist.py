"""MNIST from the four original files, found on disk or downloaded, always verified."""

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vebi.config.datasets import MnistConfig
from vebi.data.dataset import TEST, TRAIN, Images, write_dataset
from vebi.data.roots import no_source
from vebi.data.subset import spread_over_classes
from vebi.io.errors import VebiError
from vebi.io.files import atomic_path

# MD5 sums of the original files, the ones that torchvision expects too.
FILES = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


def write(config: MnistConfig, path: str | Path, cache: Path) -> None:
    """Write MNIST, or a part of it, as dataset.h5; `cache` keeps what is downloaded."""
    write_dataset(path, load(cache, config.train_images, config.test_images))


def load(cache: Path, n_train: int | None = None, n_test: int | None = None) -> Images:
    """All 70,000 images (28 x 28, one channel), the original split, or some of each class.

    Looks in `$VEBI_DATA/mnist`, then in `cache`, and downloads into `cache` what is in neither.
    """
    files = {name: _find(name, digest, cache) for name, digest in FILES.items()}
    train, train_labels, test, test_labels = (read_idx(path) for path in files.values())
    splits = []
    for images, labels, n in ((train, train_labels, n_train), (test, test_labels, n_test)):
        everything = np.arange(len(labels))
        rows = everything if n is None else spread_over_classes(labels, everything, n)
        splits.append((images[rows], labels[rows]))
    return Images(
        images=np.concatenate([images for images, _ in splits])[..., None],
        labels=np.concatenate([labels for _, labels in splits]),
        split=np.repeat([TRAIN, TEST], [len(labels) for _, labels in splits]),
        classes=[str(digit) for digit in range(10)],
    )


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one gzipped IDX file of unsigned bytes (the MNIST home page describes the format)."""
    try:
        with gzip.open(path) as stream:
            zero, kind, dimensions = struct.unpack(">HBB", stream.read(4))
            shape = struct.unpack(f">{dimensions}I", stream.read(4 * dimensions))
            values = np.frombuffer(stream.read(), np.uint8)
    except (OSError, EOFError, struct.error) as error:
        raise VebiError(
            f"{path} is not a gzipped IDX file ({error}). Put the original file there."
        ) from error
    if zero != 0 or kind != 8 or values.size != np.prod(shape):
        raise VebiError(
            f"{path} is not an IDX file of unsigned bytes. Put the original file there."
        )
    return values.reshape(shape)


def _find(name: str, md5: str, cache: Path) -> Path:
    root = os.environ.get("VEBI_DATA")
    places = [Path(root) / "mnist" / name] if root else []
    places.append(cache / name)
    for place in places:
        if place.is_file():
            found = hashlib.md5(place.read_bytes(), usedforsecurity=False).hexdigest()
            if found != md5:
                raise VebiError(
                    f"{place} has MD5 {found}, expected {md5}: the file is damaged or another one. "
                    "Delete it, or put the original in its place."
                )
            return place
    return _download(name, md5, places[-1])


def _download(name: str, md5: str, target: Path) -> Path:
    # torchvision keeps the list of mirrors that are alive; it is slow to import, so only here.
    from vebi.compute.torchvision_ops import declare_missing_ops

    declare_missing_ops()
    from torchvision.datasets import MNIST
    from torchvision.datasets.utils import download_url

    reasons = []
    with atomic_path(target) as temporary:
        for mirror in MNIST.mirrors:
            try:
                download_url(f"{mirror}{name}", str(temporary.parent), temporary.name, md5)
                return target
            except (OSError, RuntimeError) as error:
                reasons.append(f"{mirror}: {error}")
        remedies = (
            f"set VEBI_DATA to a folder that has mnist/{name}",
            f"put the file at {target}",
            "connect to the network and run again",
        )
        otherwise = "The data set `digits` needs no download."
        why = " and could not be downloaded"
        raise no_source(f"MNIST's {name} is", reasons, why, remedies, otherwise)
