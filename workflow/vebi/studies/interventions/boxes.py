"""Boxes over parts, as occlusion has them, beside the part's true removal."""

import numpy as np
from scipy.ndimage import gaussian_filter

# Standard deviation of the blur, over the height of the image: fine structure goes, colours stay.
BLUR = 1 / 14


def box_of(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the smallest box around a mask bool (H, W) that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def under_boxes(image: np.ndarray, mask: np.ndarray, mean_colour: np.ndarray) -> np.ndarray:
    """The image with the box around a part in the mean colour, and with it blurred.

    Args:
        image: uint8 (H, W, C).
        mask: bool (H, W), the part; not empty.
        mean_colour: (C) of the images that the network knows.

    Returns:
        uint8 (2, H, W, C), in the order of `effects_file.BOXES`.
    """
    box = box_of(mask)
    covered = np.stack([image, image])
    covered[0][box] = np.rint(mean_colour).astype(np.uint8)
    sigma = BLUR * len(image)
    blurred = gaussian_filter(image.astype(np.float64), (sigma, sigma, 0))
    covered[1][box] = np.rint(blurred[box]).astype(np.uint8)
    return covered
