"""PNG figures, pixel by pixel."""

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vebi.diff.report import FileResult, Finding, Pictures
from vebi.diff.tolerances import Tolerances
from vebi.io.errors import VebiError

PIXEL_LIMIT = 100_000_000
PICTURE_BYTES = 2 << 20
PICTURE_WIDTH = 1600


def read_png(path: Path, name: str) -> NDArray[np.int32]:
    """Pixels of a PNG as (H, W, 4) levels of 0 to 255 (16-bit grey: 0 to 65535).

    Raises:
        VebiError: no PNG, a broken one, or one of more than 100 million pixels.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of what may be a decompression bomb; our limit below decides.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=["PNG"]) as image:
                if image.width * image.height > PIXEL_LIMIT:
                    raise VebiError(
                        f"{name}: {image.width} x {image.height} pixels, more than the limit of "
                        f"{PIXEL_LIMIT:,}."
                    )
                deep = image.mode.startswith("I")
                pixels = np.asarray(image if deep else image.convert("RGBA"), dtype=np.int32)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise VebiError(f"{name}: no PNG image ({error}).") from error
    # Pillow raises SyntaxError for broken PNG chunks.
    except (OSError, ValueError, SyntaxError) as error:
        raise VebiError(f"{name}: broken PNG ({error}). Draw it again.") from error
    return np.repeat(pixels[:, :, None], 4, axis=2) if pixels.ndim == 2 else pixels


def compare_pngs(name: str, a: Path, b: Path, tolerances: Tolerances) -> FileResult:
    """Compare two PNG files.

    Of the tolerance, `atol` is a number of levels (of 255) that any pixel may differ by, `rtol` the
    share of pixels that may differ by more.
    """
    result = FileResult(name, "image")
    left, right = read_png(a, f"{name} of A"), read_png(b, f"{name} of B")
    tolerance = tolerances.of(name, "pixels")
    if left.shape != right.shape:
        size_a, size_b = (f"{p.shape[1]} x {p.shape[0]}" for p in (left, right))
        result.moved = 1
        result.add(Finding("image", "size", "pixels", size_a, size_b, mode=tolerance.mode))
        result.pictures = Pictures(_shrunk(a), _shrunk(b), None)
        return result
    # A fully transparent pixel has no colour.
    left[left[:, :, 3] == 0] = 0
    right[right[:, :, 3] == 0] = 0
    distance = np.abs(left - right).max(axis=2)
    result.compared = distance.size
    result.moved = int(np.count_nonzero(distance))
    if not result.moved:
        return result
    beyond = int(np.count_nonzero(distance > tolerance.atol))
    allowed = tolerance.rtol * distance.size
    if beyond > allowed:
        row, column = np.unravel_index(int(np.argmax(distance)), distance.shape)
        finding = Finding(
            "image",
            f"({column}, {row}) the largest of {beyond:,} of {distance.size:,}",
            "pixels",
            _colour(left[row, column]),
            _colour(right[row, column]),
            float(distance.max()),
            str(tolerance),
            beyond / allowed if allowed else np.inf,
            beyond / distance.size,
            tolerance.mode,
        )
        result.add(finding, beyond)
        result.pictures = Pictures(_shrunk(a), _shrunk(b), _change(distance))
    return result


def _colour(pixel: NDArray[np.int32]) -> str:
    if pixel.max() > 255:
        return str(pixel[0])
    return "#" + "".join(f"{level:02x}" for level in pixel[: 3 if pixel[3] == 255 else 4])


def _shrunk(path: Path) -> bytes:
    """The PNG as it is, or a smaller copy where it would make the HTML page heavy."""
    if path.stat().st_size <= PICTURE_BYTES:
        return path.read_bytes()
    with Image.open(path, formats=["PNG"]) as image:
        copy = image.convert("RGBA")
    copy.thumbnail((PICTURE_WIDTH, 4 * PICTURE_WIDTH))
    return _png(copy)


def _change(distance: NDArray[np.int32]) -> bytes:
    """A picture that is dark where pixels changed, with a square root so that little shows."""
    share = np.sqrt(distance / max(1, int(distance.max())))
    picture = Image.fromarray((255 * (1 - share)).astype(np.uint8))
    picture.thumbnail((PICTURE_WIDTH, 4 * PICTURE_WIDTH))
    return _png(picture)


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()
