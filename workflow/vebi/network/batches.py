"""Batches that become smaller where a GPU's memory ends."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from vebi.io.errors import VebiError

log = logging.getLogger(__name__)
_T = TypeVar("_T")
# Images of a batch: whatever can be cut along its first axis.
_Images = TypeVar("_Images", NDArray[Any], torch.Tensor)


def map_batches(
    batches: Iterable[tuple[NDArray[np.int64], _Images]],
    compute: Callable[[NDArray[np.int64], _Images], _T],
) -> Iterator[tuple[NDArray[np.int64], _T]]:
    """Every batch with what is computed of it, in order.

    A batch that a GPU's memory does not suffice for is computed and yielded in halves, and all that
    follow in parts of that size.

    Args:
        batches: rows int64 (n) and images (n, ...) of each.
        compute: called with rows and images; it must treat every image by itself and change nothing
            before it has its result.

    Yields:
        Rows and the result.

    Raises:
        VebiError: not even one image fits.
    """
    most: int | None = None
    for rows, images in batches:
        start = 0
        while start < len(rows):
            part = slice(start, len(rows) if most is None else min(start + most, len(rows)))
            done = _attempt(compute, rows[part], images[part])
            if done is None:
                most = _half(part.stop - part.start)
                continue
            yield rows[part], done[0]
            start = part.stop


def split_batches(images: _Images, batch_size: int) -> Iterator[tuple[NDArray[np.int64], _Images]]:
    """Images in memory as the batches (rows, images) that `map_batches` takes."""
    rows = np.arange(len(images))
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        yield rows[part], images[part]


def _attempt(
    compute: Callable[[NDArray[np.int64], _Images], _T], rows: NDArray[np.int64], images: _Images
) -> tuple[_T] | None:
    # Its own function: the exception holds what filled the memory until it is out of sight.
    try:
        return (compute(rows, images),)
    except torch.OutOfMemoryError:
        return None


def _half(size: int) -> int:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if size == 1:
        raise VebiError(
            "The GPU's memory does not suffice for a single image. Free it of other programs, choose "
            "another GPU with CUDA_VISIBLE_DEVICES, or set device: cpu."
        )
    log.warning("The GPU's memory does not suffice for %d images: going on with half.", size)
    return -(-size // 2)
