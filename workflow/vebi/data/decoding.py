"""Image files to pixels: every kind of file that photo collections hold, in one shape."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH

from vebi.io.errors import VebiError

if TYPE_CHECKING:
    from vebi.config.datasets import DatasetConfig

# By content, not by name. A closed list: some of Pillow's other readers start programs.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
)
# A progressive JPEG has about ten scans, each as much work as the whole image; a file of a few
# kilobytes can have thousands of them.
START_OF_SCAN, MOST_SCANS, SCANS_OF_LARGEST = b"\xff\xda", 1000, 25
# A tile is decoded whole, however small the image is that it belongs to.
LARGEST_TILE = 1 << 24
# More than any kind of file needs for a pixel.
BYTES_PER_PIXEL, BYTES_BESIDE = 16, 64 << 20
# What Exif's orientation asks to be done; 1, the usual one, asks for nothing.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = frozenset({5, 6, 7, 8})
PNG_SIGNATURE, PNG_TEXT = b"\x89PNG\r\n\x1a\n", frozenset({b"eXIf", b"iTXt", b"tEXt", b"zTXt"})


class UnreadableImage(VebiError):
    """One image file that can't become pixels; `reason` says why, without the name of its `path`."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} can't be read as an image ({reason}).")
        self.path, self.reason = path, reason


@dataclass(frozen=True)
class Decoding:
    """How an image becomes `size` x `size` pixels of 1 (grey) or 3 (RGB) channels.

    `squash` resizes both sides without keeping the aspect, as VEBI's authors do; `crop` resizes the
    shorter side and cuts the middle out, as torchvision does. With `first_size` squash resizes to that
    first, and crop makes the shorter side that long. Both bicubic. A file of more than `max_pixels` is
    refused before it is decoded.
    """

    size: int
    channels: int = 3
    resize: Literal["squash", "crop"] = "squash"
    first_size: int | None = None
    max_pixels: int = 80_000_000

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, self.channels)


def decoding_for(config: "DatasetConfig") -> Decoding:
    """How an image file is brought into the form of a data set's images."""
    return Decoding(**config.decoding)


def read_header(path: Path, decoding: Decoding) -> tuple[int, int, int]:
    """Bytes of a file, and the height and width of its upright image; pixels are not decoded."""
    try:
        n_bytes = _size_of(path, decoding)
        with path.open("rb") as stream, _open(stream, n_bytes, decoding) as image:
            height, width = _upright_size(image, stream)
    # A broken file can fail anywhere inside the decoder, with any exception.
    except Exception as error:
        raise UnreadableImage(path, _reason(error)) from error
    return n_bytes, height, width


def read_pixels(path: Path, decoding: Decoding, n_bytes: int | None = None) -> NDArray[np.uint8]:
    """The file as uint8 (size, size, channels), upright as its Exif data says.

    Grey, palette, CMYK and 16-bit images are converted (16 bit: the high byte, as for PNG in RGB; a
    netpbm file's largest value counts as 65535),
    transparent ones are laid on white, animated ones give their first frame. With `n_bytes` the file
    must have that many bytes.

    Raises:
        UnreadableImage: no such file, no image, truncated, too large, or 32-bit pixels.
        VebiError: it has another number of bytes.
    """
    content = _read(path, decoding, n_bytes)
    try:
        with _open(io.BytesIO(content), len(content), decoding) as image:
            _check_scans(image, content, decoding)
            opaque = _lay_wide_colours_on_white(image, content)
            upright = _turn(_convert(opaque, decoding.channels), _orientation(image.getexif))
            pixels = np.asarray(_fit(upright, decoding, Image.Resampling.BICUBIC), np.uint8)
    except Exception as error:
        raise UnreadableImage(path, _reason(error)) from error
    return pixels.reshape(decoding.shape)


def fit_image(image: Image.Image, decoding: Decoding) -> NDArray[np.uint8]:
    """An open image as uint8 (size, size, channels), converted and resized as files are."""
    fitted = _fit(_convert(image, decoding.channels), decoding, Image.Resampling.BICUBIC)
    return np.asarray(fitted, np.uint8).reshape(decoding.shape)


def read_mask(path: Path, decoding: Decoding, n_bytes: int | None = None) -> NDArray[np.bool_]:
    """The mask file as bool (size, size), upright and resized as its image is.

    Inside is what is not zero (palette images: not index 0), in whatever channel but transparency;
    a resized pixel is inside if at least half of its area is.
    """
    content = _read(path, decoding, n_bytes)
    try:
        with _open(io.BytesIO(content), len(content), decoding) as image:
            _check_scans(image, content, decoding)
            values = np.asarray(image)
            if image.mode in ("LA", "PA", "RGBA"):
                values = values[..., :-1]
            inside = (values != 0).reshape(*values.shape[:2], -1).any(-1)
            whole = Image.fromarray(np.where(inside, np.uint8(255), np.uint8(0)))
            # BOX averages over the area, so that thin parts don't fall between sampling points.
            upright = _turn(whole, _orientation(image.getexif))
            fitted = _fit(upright, decoding, Image.Resampling.BOX)
    except Exception as error:
        raise UnreadableImage(path, _reason(error)) from error
    return np.asarray(fitted) >= 128


def _open(stream: IO[bytes], n_bytes: int, decoding: Decoding) -> Image.Image:
    if not n_bytes:
        raise ValueError("it is empty")
    image = Image.open(stream, formats=FORMATS)
    width, height = image.size
    limit = f"more than the {decoding.max_pixels / 1e6:g} megapixels allowed"
    if width * height > decoding.max_pixels:
        raise ValueError(f"{width} x {height} pixels, {limit}")
    tags = getattr(image, "tag_v2", {})
    tile = [tags.get(number, 0) for number in (322, 323)]
    if not all(isinstance(side, int) for side in tile) or prod(tile) > LARGEST_TILE:
        raise ValueError(
            f"tiles of {' x '.join(map(str, tile))} pixels, more than {LARGEST_TILE:,}"
        )
    if decoding.resize == "crop":
        # A strip one pixel high would grow without bound when its shorter side is enlarged.
        wide, high = _covering(width, height, decoding)
        if wide * high > decoding.max_pixels:
            raise ValueError(f"so elongated that it is resized to {wide} x {high}, {limit}")
    return image


def _check_scans(image: Image.Image, content: bytes, decoding: Decoding) -> None:
    """Raise ValueError for a JPEG that takes far longer to decode than its pixels need."""
    if image.format != "JPEG":
        return
    scans, pixels = content.count(START_OF_SCAN), max(1, image.width * image.height)
    if scans > min(MOST_SCANS, max(SCANS_OF_LARGEST * decoding.max_pixels // pixels, 1)):
        raise ValueError(f"{scans:,} scans of {image.width} x {image.height} pixels, far too many")


def _size_of(path: Path, decoding: Decoding) -> int:
    """Bytes of a file; raises for what is not a file, and for one larger than such an image can be."""
    n_bytes = path.stat().st_size
    # Opening a pipe would wait for ever.
    if not path.is_file():
        raise ValueError("it is not a file")
    limit = BYTES_PER_PIXEL * decoding.max_pixels + BYTES_BESIDE
    if n_bytes > limit:
        raise ValueError(
            f"{n_bytes:,} bytes, more than the {limit:,} that an image allowed here needs"
        )
    return n_bytes


def _read(path: Path, decoding: Decoding, expected: int | None) -> bytes:
    try:
        _size_of(path, decoding)
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise UnreadableImage(path, _reason(error)) from error
    if expected is not None and len(content) != expected:
        raise VebiError(
            f"{path} has {len(content):,} bytes, but had {expected:,} when the data set was indexed. Put "
            "the old file back, or index again: snakemake --forcerun load_dataset."
        )
    return content


def _upright_size(image: Image.Image, stream: IO[bytes]) -> tuple[int, int]:
    """Height and width after the turn that the file asks for, without decoding its pixels."""
    # Some versions of Pillow swap a TIFF's sides as they open it; its tags stay as stored.
    tags = getattr(image, "tag_v2", None)
    width, height = (tags[IMAGEWIDTH], tags[IMAGELENGTH]) if tags else image.size
    if image.format == "PNG" and not _png_has_text_after_pixels(stream):
        # Pillow's own method for PNG decodes the pixels to see what stands behind them.
        orientation = _orientation(partial(Image.Image.getexif, image))
    else:
        orientation = _orientation(image.getexif)
    return (width, height) if orientation in SIDEWAYS else (height, width)


def _png_has_text_after_pixels(stream: IO[bytes]) -> bool:
    """Whether Exif or XMP may stand behind a PNG's pixels, where some programs write them."""
    place, seen_pixels = stream.tell(), False
    stream.seek(len(PNG_SIGNATURE))
    try:
        while len(header := stream.read(8)) == 8 and header[4:] != b"IEND":
            seen_pixels |= header[4:] == b"IDAT"
            if seen_pixels and header[4:] in PNG_TEXT:
                return True
            # The content, and 4 bytes of checksum.
            stream.seek(int.from_bytes(header[:4]) + 4, io.SEEK_CUR)
        return False
    finally:
        stream.seek(place)


def _orientation(read_exif: Callable[[], Image.Exif]) -> int:
    """The turn that is still to be made: Pillow turns a TIFF as it loads it, and drops the tag."""
    try:
        return int(read_exif().get(ExifTags.Base.Orientation, 1))
    # Broken Exif data around good pixels is common; then the file is taken as it stands.
    except Exception:
        return 1


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def _lay_wide_colours_on_white(image: Image.Image, content: bytes) -> Image.Image:
    """A PNG of 16 bits per colour with its transparent colour made white; other images, loaded.

    Pillow keeps the high bytes of the colours only, but all 16 bits of the transparent one, so that
    none or a wrong one would be transparent. The PNG specification (section 13.11) asks for a
    comparison of all bits; the low bytes come from a second reading.
    """
    key = image.info.get("transparency")
    tiles: list[Any] = getattr(image, "tile", [])
    wide = image.format == "PNG" and [tile[3] for tile in tiles] == ["RGB;16B"]
    image.load()
    if not wide or key is None:
        return image
    second: Any = Image.open(io.BytesIO(content), formats=["PNG"])
    with second:
        # As if the bytes of each value stood the other way round.
        second.tile = [(*tile[:3], "RGB;16L") for tile in second.tile]
        low_bytes = np.asarray(second)
    colours = np.array(image)
    high_key, low_key = np.divmod(np.array(key), 256)
    colours[(colours == high_key).all(-1) & (low_bytes == low_key).all(-1)] = 255
    return Image.fromarray(colours)


def _convert(image: Image.Image, channels: int) -> Image.Image:
    # Pillow reads 16-bit netpbm as 32-bit integers from 0 to 65535, and older versions PNG, too.
    sixteen_in_32 = image.mode == "I" and image.format in ("PPM", "PNG")
    if image.mode.startswith("I;16") or sixteen_in_32:
        # Pillow's own conversion to 8 bits cuts every value above 255 off to white.
        values = np.asarray(image)
        grey = (values >> 8).astype(np.uint8)
        if "transparency" in image.info:
            grey[values == image.info["transparency"]] = 255
        image = Image.fromarray(grey)
    elif image.mode in ("I", "F"):
        raise ValueError("32-bit pixels, of which nobody knows what is white")
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
    return image.convert("L" if channels == 1 else "RGB")


def _covering(width: int, height: int, decoding: Decoding) -> tuple[int, int]:
    """Width and height whose shorter one is first_size (or size), rounded as torchvision does."""
    shorter = decoding.first_size or decoding.size
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter


def _fit(image: Image.Image, decoding: Decoding, filter_: Image.Resampling) -> Image.Image:
    size = decoding.size
    if decoding.resize == "crop":
        wide, high = _covering(*image.size, decoding)
        resized = image.resize((wide, high), filter_)
        left, top = round((wide - size) / 2), round((high - size) / 2)
        return resized.crop((left, top, left + size, top + size))
    if decoding.first_size is not None:
        image = image.resize((decoding.first_size, decoding.first_size), filter_)
    return image.resize((size, size), filter_)


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, Image.UnidentifiedImageError):
        return f"no image of a known kind: {', '.join(FORMATS)}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
