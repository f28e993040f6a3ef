"""scikit-learn's 8 x 8 handwritten digits: 1,797 images that need no download."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from vebi.config.datasets import DigitsConfig
from vebi.data.dataset import TEST, TRAIN, Images, write_dataset

TEST_FRACTION = 0.2


def write(config: DigitsConfig, path: str | Path, cache: Path) -> None:
    """Write the digits as dataset.h5; nothing is downloaded."""
    write_dataset(path, load(config.size))


def load(size: int = 28) -> Images:
    """Digits enlarged (bicubic) to `size` x `size`, one channel, grey values 0 to 255.

    A stratified fifth of the images is the test split. It mixes writers: the file does not say who
    wrote what. (With the end of the file as test split, accuracy is 0.03 to 0.04 lower.)
    """
    digits = load_digits()
    small = np.round(digits.images * (255 / 16)).astype(np.uint8)
    images = np.stack(
        [
            np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))
            for image in small
        ]
    )
    split = np.full(len(images), TRAIN)
    _, test = train_test_split(
        np.arange(len(images)), test_size=TEST_FRACTION, random_state=0, stratify=digits.target
    )
    split[test] = TEST
    return Images(
        images[..., None], digits.target, split, [str(name) for name in digits.target_names]
    )
