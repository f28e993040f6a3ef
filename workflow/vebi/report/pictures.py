"""Images as data URIs, small and always with the same bytes."""

import io
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vebi.figures.style import HEATMAP
from vebi.io.errors import VebiError

# WebP can't be larger; such a figure stays a PNG.
WEBP_LIMIT = 16383
# Bytes per pixel of a PNG. Plots are below and smaller without loss, pictures are above.
PICTURE_DENSITY = 0.15
QUALITY = 85
MAP_QUALITY = 70
LARGEST_THUMBNAIL = 160


@dataclass(frozen=True)
class Picture:
    """A data URI and the size of its image in pixels."""

    uri: str
    width: int
    height: int


def read_figure(path: Path) -> Picture:
    """A figure as WebP: without loss where it is a plot, else as a picture."""
    data = path.read_bytes()
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            if max(image.size) <= WEBP_LIMIT:
                is_plot = len(data) < PICTURE_DENSITY * width * height
                packed = _webp(image.convert("RGB"), None if is_plot else QUALITY)
                if len(packed) < len(data):
                    return Picture(_uri(packed, "webp"), width, height)
    except OSError as error:
        raise VebiError(
            f"{path} can't be read as an image ({error}). Delete it and run again."
        ) from error
    return Picture(_uri(data, "png"), width, height)


def encode_image(pixels: NDArray[np.uint8]) -> str:
    """An image uint8 (H, W, C) as a data URI."""
    return _thumbnail(_from_pixels(pixels), QUALITY)


def encode_mask(mask: NDArray[np.bool_]) -> str:
    """A mask bool (H, W) as a data URI, white on black."""
    return _thumbnail(Image.fromarray(mask.astype(np.uint8) * 255), None)


def encode_map(heatmap: NDArray[np.floating]) -> str:
    """A map (H, W) in [0, 1] as a data URI, in the colours of the figures."""
    levels = np.clip(np.round(heatmap * 255), 0, 255).astype(np.uint8)
    colours = (mpl.colormaps[HEATMAP](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
    return _thumbnail(Image.fromarray(colours[levels]), MAP_QUALITY)


def _from_pixels(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _thumbnail(image: Image.Image, quality: int | None) -> str:
    if max(image.size) > LARGEST_THUMBNAIL:
        image.thumbnail((LARGEST_THUMBNAIL, LARGEST_THUMBNAIL), Image.Resampling.BOX)
    # Few pixels are shown enlarged, where every loss would be seen.
    exact = quality is None or max(image.size) <= 64
    return _uri(_webp(image.convert("RGB"), None if exact else quality), "webp")


def _webp(image: Image.Image, quality: int | None) -> bytes:
    stream = io.BytesIO()
    if quality is None:
        image.save(stream, "WEBP", lossless=True, quality=60, method=4)
    else:
        image.save(stream, "WEBP", quality=quality, method=4)
    return stream.getvalue()


def _uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{b64encode(data).decode('ascii')}"
