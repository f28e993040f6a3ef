"""Ways to perturb an image, each a generator of copies.

CONTRIBUTING.md says how to add one.

Every function takes an `image` and what no information looks like there (`mean`), both float32
(C, H, W) in raw pixels, the number of copies `n`, a `strength`, and a random generator, and yields n
arrays of the image's shape. Draws are made copy after copy, so that copy i is the same however many
are asked for at a time. Values may leave 0 to 255: the network sees them as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from vebi.catalogue.record import by_name, look_up
from vebi.io.errors import VebiError
from vebi.io.late import Late
from vebi.record import record

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from scipy import ndimage
    from torch.nn import functional

    # An image (C, H, W).
    Pixels = NDArray[np.float32]
else:
    # The configuration imports this module to know the names.
    np, torch, ndimage, functional = map(
        Late, ("numpy", "torch", "scipy.ndimage", "torch.nn.functional")
    )

SEGMENTS_PER_SIDE = 7
# How far apart two colours must be (levels of 255) to count as much as two neighbouring seeds.
_COLOUR_SPACING = 40.0


def multiplicative_noise(
    image: Pixels, mean: Pixels, n: int, strength: float, rng: np.random.Generator
) -> Iterator[Pixels]:
    """x_i = x (1 + i e), e ~ N(0, strength) for every value of every copy, on mean-subtracted pixels.

    The noise of the authors' code, where the strength (standard deviation) is 0.1. The first copy
    is the image, and each further one is noisier than the one before.
    """
    centred = image - mean
    for i in range(n):
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        yield image + centred * (np.float32(i * strength) * noise)


def additive_noise(
    image: Pixels, mean: Pixels, n: int, strength: float, rng: np.random.Generator
) -> Iterator[Pixels]:
    """Gaussian noise, growing evenly to a standard deviation of `strength` x 255 in the last copy."""
    for level in _levels(n):
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        yield image + np.float32(255 * strength * level) * noise


def boxes_grid(
    image: Pixels, mean: Pixels, n: int, strength: float, rng: np.random.Generator
) -> Iterator[Pixels]:
    """One box per copy, filled with the mean, at n places of an even grid; side = `strength` x image.

    The grid is the smallest square one with n places; where it has more, n are taken at equal steps.
    """
    height, width = image.shape[1:]
    box = _box_size((height, width), strength)
    side = int(np.ceil(np.sqrt(n)))
    places = np.linspace(0, side * side - 1, n).round().astype(int)
    tops = np.linspace(0, height - box[0], side).round().astype(int)
    lefts = np.linspace(0, width - box[1], side).round().astype(int)
    for place in places:
        yield _with_box(image, mean, tops[place // side], lefts[place % side], box)


def boxes_random(
    image: Pixels, mean: Pixels, n: int, strength: float, rng: np.random.Generator
) -> Iterator[Pixels]:
    """One box per copy, filled with the mean, anywhere inside the image; side = `strength` x image."""
    return _boxes_anywhere(image, mean, n, strength, rng)


def blur_regions(
    image: Pixels, mean: Pixels, n: int, strength: float, rng: np.random.Generator
) -> Iterator[Pixels]:
    """One blurred box per copy: side a third of the image, Gaussian of `strength` x the smaller side."""
    sigma = strength * min(image.shape[1:])
    blurred = ndimage.gaussian_filter(image, (0, sigma, sigma), mode="nearest")
    return _boxes_anywhere(image, blurred, n, 1 / 3, rng)


def _boxes_anywhere(
    image: Pixels, filling: Pixels, n: int, side: float, rng: np.random.Generator
) -> Iterator[Pixels]:
    """One box per copy, anywhere, with what `filling` has there; its side is `side` x the image's."""
    box = _box_size(image.shape[1:], side)
    for _ in range(n):
        top, left = _random_corner(image.shape[1:], box, rng)
        yield _with_box(image, filling, top, left, box)


def superpixels(
    image: Pixels, mean: Pixels, n: int, strength: float, rng: np.random.Generator
) -> Iterator[Pixels]:
    """Each superpixel of each copy is filled with the mean with probability `strength`."""
    segments = segment(image)
    for _ in range(n):
        masked = rng.random(segments.max() + 1) < strength
        yield np.where(masked[segments], mean, image)


def colour_jitter(
    image: Pixels, mean: Pixels, n: int, strength: float, rng: np.random.Generator
) -> Iterator[Pixels]:
    """Brightness, contrast and saturation times 1 + u, u uniform in +-`strength`, growing evenly.

    Saturation moves pixels from or to the mean of their channels, contrast from or to the image's
    mean. The result is kept between 0 and 255.
    """
    for level in _levels(n):
        brightness, contrast, saturation = 1 + strength * level * rng.uniform(-1, 1, 3)
        copy = image * brightness
        copy = copy.mean() + contrast * (copy - copy.mean())
        grey = copy.mean(0, keepdims=True)
        yield (grey + saturation * (copy - grey)).clip(0, 255).astype(np.float32)


def affine(
    image: Pixels, mean: Pixels, n: int, strength: float, rng: np.random.Generator
) -> Iterator[Pixels]:
    """Small moves, growing evenly: rotation (radians), scaling and shift (of the image's side).

    Each is uniform in +-`strength` in the last copy. Bilinear; beyond the border its nearest pixel.
    """
    pixels = torch.from_numpy(image)[None]
    for level in _levels(n):
        angle, scale, down, right = strength * level * rng.uniform(-1, 1, 4)
        cos, sin = np.cos(angle) / (1 + scale), np.sin(angle) / (1 + scale)
        # The grid spans -1 to 1, so a shift of a whole side is 2.
        move = torch.tensor([[[cos, -sin, -2 * right], [sin, cos, -2 * down]]]).float()
        grid = functional.affine_grid(move, list(pixels.shape), align_corners=False)
        moved = functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
        yield moved[0].numpy()


@record
class Perturbation:
    """A way to perturb an image.

    Args:
        name: in the configuration and in tables.
        label: in figures, on two lines.
        copies: the generator of copies.
    """

    name: str
    label: str
    copies: Callable[
        [Pixels, Pixels, int, float, np.random.Generator],
        Iterator[Pixels],
    ]


# In the order of the figures. A place in it is part of the seed of a perturbation's draws: append.
PERTURBATIONS: dict[str, Perturbation] = by_name(
    (
        Perturbation(
            name="multiplicative_noise",
            label="multiplicative\nnoise",
            copies=multiplicative_noise,
        ),
        Perturbation(name="additive_noise", label="additive\nnoise", copies=additive_noise),
        Perturbation(name="boxes_grid", label="boxes on\na grid", copies=boxes_grid),
        Perturbation(name="boxes_random", label="boxes at\nrandom", copies=boxes_random),
        Perturbation(name="blur_regions", label="blurred\nregions", copies=blur_regions),
        Perturbation(name="superpixels", label="superpixels\nmasked", copies=superpixels),
        Perturbation(name="colour_jitter", label="colour\njitter", copies=colour_jitter),
        Perturbation(name="affine", label="small\nmoves", copies=affine),
    )
)


def perturb(
    image: Pixels,
    mean: Pixels,
    perturbation: str,
    n: int,
    strength: float,
    *,
    key: Sequence[int],
    batch_size: int = 25,
) -> Iterator[Pixels]:
    """The n copies of an image.

    Args:
        image: (C, H, W) in raw pixels.
        mean: what no information looks like; broadcasts to the image.
        perturbation: a name of PERTURBATIONS.
        n: how many copies, at least 2.
        strength: what it means, each perturbation says.
        key: seeds the draws; one per image.
        batch_size: copies at a time.

    Yields:
        Blocks of copies, float32 (<= batch_size, C, H, W).

    Raises:
        VebiError: an unknown perturbation, or fewer than two copies.
    """
    # Here, because the configuration imports this module without numpy.
    from vebi.statistics.keys import draw_key

    chosen = look_up("perturbation", perturbation, PERTURBATIONS)
    if n < 2:
        raise VebiError(f"{n} copies can't tell what varies; at least 2 are needed.")
    rng = np.random.default_rng(draw_key(f"perturbation: {perturbation}", *key))
    image = np.ascontiguousarray(image, np.float32)
    mean = np.broadcast_to(np.asarray(mean, np.float32), image.shape)
    block: list[Pixels] = []
    for copy in chosen.copies(image, mean, n, strength, rng):
        block.append(copy)
        if len(block) == batch_size:
            yield np.stack(block)
            block = []
    if block:
        yield np.stack(block)


def some_copies(
    image: NDArray[np.uint8],
    perturbation: str,
    n: int,
    strength: float,
    key: Sequence[int],
    *,
    shown: int = 7,
) -> tuple[list[int], Pixels]:
    """Numbers of `shown` of the n copies, at equal steps, and these copies float32 (shown, H, W, C).

    `image` uint8 (H, W, C); where nothing is to be seen it gets the image's mean colour.
    """
    pixels = image.transpose(2, 0, 1).astype(np.float32)
    mean = pixels.mean((1, 2), keepdims=True)
    numbers = np.unique(np.linspace(0, n - 1, shown).round().astype(int))
    copies = np.concatenate(list(perturb(pixels, mean, perturbation, n, strength, key=key)))
    return numbers.tolist(), copies[numbers].transpose(0, 2, 3, 1)


def segment(image: Pixels) -> NDArray[np.int64]:
    """Superpixels of an image (C, H, W): a number for each pixel, int64 (H, W), from 0 on.

    k-means in colour and position from a grid of seeds, which is SLIC (Achanta et al. 2012) without
    its limits: each pixel compares with all centres, in RGB, and pieces need not be connected.
    Nothing is drawn; a centre that loses all its pixels stays where it was.
    """
    channels, height, width = image.shape
    side = min(SEGMENTS_PER_SIDE, height, width)
    rows, columns = np.mgrid[:height, :width].reshape(2, -1)
    spacing = max(height, width) / side
    points = np.column_stack(
        [rows / spacing, columns / spacing, image.reshape(channels, -1).T / _COLOUR_SPACING]
    ).astype(np.float64)
    at = [((np.arange(side) + 0.5) * size / side).astype(int) for size in (height, width)]
    centres = points.reshape(height, width, -1)[np.ix_(*at)].reshape(side * side, -1)
    nearest = np.zeros(len(points), np.int64)
    for _ in range(10):
        # The pixel's own square is the same for all centres.
        nearest = ((centres**2).sum(1) - 2 * points @ centres.T).argmin(1)
        count = np.bincount(nearest, minlength=len(centres))
        for axis in range(points.shape[1]):
            total = np.bincount(nearest, points[:, axis], len(centres))
            centres[:, axis] = np.where(count > 0, total / np.maximum(count, 1), centres[:, axis])
    return np.unique(nearest, return_inverse=True)[1].reshape(height, width)


def _levels(n: int) -> NDArray[np.float64]:
    return np.arange(n) / (n - 1)


def _box_size(size: tuple[int, ...], share: float) -> tuple[int, int]:
    height, width = (min(side, max(1, round(share * side))) for side in size)
    return height, width


def _random_corner(
    size: tuple[int, ...], box: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int]:
    top, left = (
        int(rng.integers(side - length + 1)) for side, length in zip(size, box, strict=True)
    )
    return top, left


def _with_box(
    image: Pixels,
    other: Pixels,
    top: int,
    left: int,
    box: tuple[int, int],
) -> Pixels:
    """The image with a box of `other` in it."""
    copy = image.copy()
    place = (slice(None), slice(top, top + box[0]), slice(left, left + box[1]))
    copy[place] = other[place]
    return copy
