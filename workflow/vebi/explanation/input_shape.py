"""What images a network takes, and how many outputs it has: found by trying."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vebi.io.errors import VebiError
from vebi.network.running import run

# Most networks on photographs take 224 pixels, or any number; the others take what their data sets have.
SIZES = (224, 28, 32, 64, 96, 112, 128, 160, 192, 227, 240, 256, 288, 299, 320, 384, 448, 512)


@dataclass(frozen=True)
class Taken:
    """An image's shape (height, width, channels) that a network takes, and its number of outputs."""

    shape: tuple[int, int, int]
    n_outputs: int


def find_shape(
    net: nn.Module, size: int | None, grey: bool | None, images: Sequence[tuple[int, int]] = ()
) -> Taken:
    """The first shape that the network takes.

    Args:
        net: the network.
        size: pixels per side; None: the images' own if they are all alike, else those of SIZES.
        grey: one channel (True) or three; None: as many as its first convolution takes.
        images: height and width of the images that it is for.

    Raises:
        VebiError: it takes none of them.
    """
    sizes = [size] if size is not None else list(_sizes(images))
    depths = [1 if grey else 3] if grey is not None else _depths(net)
    reason = ""
    for depth in depths:
        for side in sizes:
            try:
                scores = run(net, torch.zeros(1, depth, side, side))
            # Whatever a user's own code raises for an image that does not fit.
            except Exception as error:
                reason = reason or (str(error).splitlines() or [type(error).__name__])[0]
                continue
            if isinstance(scores, Tensor) and scores.ndim == 2:
                return Taken((side, side, depth), scores.shape[1])
            reason = reason or "it returns no scores of shape (N, classes)"
    tried = f"{', '.join(map(str, sizes[:4]))}{', ...' if sizes[4:] else ''} pixels per side"
    colours = " or ".join("grey" if depth == 1 else "in colour" for depth in depths)
    raise VebiError(
        f"The network takes no image of {tried}, {colours} ({reason}). Say what it takes: --size PIXELS, "
        "and --grey or --colour."
    )


def _sizes(images: Sequence[tuple[int, int]]) -> Iterator[int]:
    alike = set(images)
    if len(alike) == 1:
        ((height, width),) = alike
        if height == width and 8 <= height <= 2048:
            yield height
    yield from SIZES


def _depths(net: nn.Module) -> list[int]:
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            return [1] if module.in_channels == 1 else [3]
    return [3, 1]
