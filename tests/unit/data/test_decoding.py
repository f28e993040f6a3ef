"""Image files of every kind to pixels, against values known from how the files were made."""

import io
import os
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.data.decoding import (
    Decoding,
    UnreadableImage,
    read_header,
    read_mask,
    read_pixels,
)
from vebi.io.errors import VebiError

# Pillow warns about what it skips in broken files; here they are broken on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SAME = Decoding(32)
rng = np.random.default_rng(7)
SCENE = np.asarray(
    Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize(
        (48, 40), Image.Resampling.BICUBIC
    )
)


def save(path, image, **options):
    image.save(path, **options)
    return path


def squashed(image, size=32):
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))


def test_a_plain_png_is_squashed_bicubically(tmp_path):
    image = Image.fromarray(SCENE)
    path = save(tmp_path / "a.png", image)
    assert np.array_equal(read_pixels(path, SAME), squashed(image))
    assert read_header(path, SAME) == (path.stat().st_size, 40, 48)


def test_an_image_of_the_right_size_is_unchanged(tmp_path):
    square = SCENE[:32, :32]
    path = save(tmp_path / "a.png", Image.fromarray(square))
    assert np.array_equal(read_pixels(path, SAME), square)
    assert np.array_equal(read_pixels(path, Decoding(32, resize="crop")), square)


def test_first_size_squashes_twice(tmp_path):
    image = Image.fromarray(SCENE)
    path = save(tmp_path / "a.png", image)
    twice = squashed(image.resize((64, 64), Image.Resampling.BICUBIC))
    assert np.array_equal(read_pixels(path, Decoding(32, first_size=64)), twice)


@pytest.mark.parametrize("size", [(48, 40), (40, 48), (33, 97), (64, 64), (301, 77)])
@pytest.mark.parametrize("first", [None, 37, 64])
def test_crop_is_torchvisions(tmp_path, size, first):
    # Some builds of torch lack an operation that torchvision needs when it is imported.
    declare_missing_ops()
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as peer

    image = Image.fromarray(SCENE).resize(size)
    path = save(tmp_path / "a.png", image)
    resized = peer.resize(image, first or 32, InterpolationMode.BICUBIC)
    expected = np.asarray(peer.center_crop(resized, 32))
    found = read_pixels(path, Decoding(32, resize="crop", first_size=first))
    assert np.array_equal(found, expected)


def test_cmyk_jpeg_has_the_colours_that_it_was_made_from(tmp_path):
    colours = {"red": (0, 255, 255, 0), "cyan": (255, 0, 0, 0), "black": (0, 0, 0, 255)}
    expected = {"red": (255, 0, 0), "cyan": (0, 255, 255), "black": (0, 0, 0)}
    for name, inks in colours.items():
        path = save(tmp_path / f"{name}.jpg", Image.new("CMYK", (40, 40), inks), quality=95)
        found = read_pixels(path, SAME)
        assert np.abs(found.astype(int) - expected[name]).max() <= 4


def test_grey_becomes_three_equal_channels_and_colour_one(tmp_path):
    grey = save(tmp_path / "grey.jpg", Image.fromarray(SCENE[..., 0]))
    found = read_pixels(grey, SAME)
    assert found.shape == (32, 32, 3)
    assert (found == found[..., :1]).all()
    red = save(tmp_path / "red.png", Image.new("RGB", (9, 9), (255, 0, 0)))
    one = read_pixels(red, Decoding(16, 1))
    assert one.shape == (16, 16, 1)
    # ITU-R 601: 0.299 of red.
    assert set(one.ravel()) == {76}


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_sixteen_bits_keep_their_range(tmp_path, byte_order):
    values = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    suffix = "png" if byte_order == "<" else "tif"
    mode = "I;16" if byte_order == "<" else "I;16B"
    raw = Image.frombytes(mode, (32, 32), values.astype(f"{byte_order}u2").tobytes())
    found = read_pixels(save(tmp_path / f"a.{suffix}", raw), SAME)
    assert np.array_equal(found[..., 1], values // 256)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # 0x1337 and 0xff00 have the high bytes 0x13 and 0xff.
        (b"P5 2 1 65535\n\x13\x37\xff\x00", [0x13, 0xFF]),
        (b"P2 2 1 65535\n4919 65280\n", [0x13, 0xFF]),
        # 1023 of 4095 is 16371.8 of 65535, 0x3ff4 after rounding.
        (b"P5 2 1 4095\n\x03\xff\x0f\xff", [0x3F, 0xFF]),
    ],
    ids=["binary", "plain", "12-bit"],
)
def test_sixteen_bit_netpbm_keeps_its_range(tmp_path, content, expected):
    (tmp_path / "a.pgm").write_bytes(content)
    found = read_pixels(tmp_path / "a.pgm", Decoding(2, 1))
    assert np.array_equal(found[..., 0], [expected] * 2)


def png_16(values, transparent):
    """A PNG of 16-bit values (H, W) or (H, W, 3) with its transparent colour, byte by byte."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content).to_bytes(4)
        return len(content).to_bytes(4) + kind + content + checksum

    rows = np.array(values, ">u2")
    kind = 0 if rows.ndim == 2 else 2
    header = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], 16, kind, 0, 0, 0)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"tRNS", np.array(transparent, ">u2").tobytes()),
            chunk(b"IDAT", zlib.compress(lines)),
            chunk(b"IEND", b""),
        ]
    )


def test_the_transparent_value_of_sixteen_bits_is_white_and_its_neighbour_is_not(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png_16([[0x1337, 0x1338], [0x2000, 0x1337]], [0x1337]))
    assert read_pixels(path, Decoding(2, 1))[..., 0].tolist() == [[255, 0x13], [0x20, 255]]
    clear, near, other = (
        [0x1337, 0x0012, 0x20FF],
        [0x1337, 0x0012, 0x20FE],
        [0x3700, 0x1200, 0xFF00],
    )
    path.write_bytes(png_16([[clear, near], [other, clear]], clear))
    expected = [[[255] * 3, [0x13, 0, 0x20]], [[0x37, 0x12, 0xFF], [255] * 3]]
    assert read_pixels(path, Decoding(2)).tolist() == expected


def test_palette_and_animation_give_the_first_frame(tmp_path):
    frames = [Image.new("P", (20, 20), i) for i in range(3)]
    for frame in frames:
        frame.putpalette([0, 200, 0, 200, 0, 0, 0, 0, 200])
    path = save(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert set(map(tuple, read_pixels(path, SAME).reshape(-1, 3))) == {(0, 200, 0)}
    path = save(tmp_path / "p.png", frames[1])
    assert set(map(tuple, read_pixels(path, SAME).reshape(-1, 3))) == {(200, 0, 0)}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(tmp_path, mode):
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    options = {}
    if mode == "P":
        image, options = Image.new("P", (20, 20), 0), {"transparency": 0}
        image.putpalette([10, 20, 30])
    path = save(tmp_path / "a.png", image.convert(mode), **options)
    assert (read_pixels(path, SAME) == 255).all()


# Which side of the upright image the stored rows start at, and the columns (TIFF 6.0, page 36).
SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
KINDS = {
    "png": {},
    "late.png": {},
    "jpg": {"quality": 100, "subsampling": 0},
    "tif": {},
    "lzw.tif": {"compression": "tiff_lzw"},
    "webp": {"lossless": True},
}


def as_stored(upright, orientation):
    first_row, first_column = SIDES[orientation]
    stored = upright.swapaxes(0, 1) if first_row in ("left", "right") else upright
    rows, columns = (side in ("bottom", "right") for side in (first_row, first_column))
    return stored[:: -1 if rows else 1, :: -1 if columns else 1]


def behind_the_pixels(content):
    """The PNG with its Exif chunk as the last but one, where some programs write it."""
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4])
    return content[:start] + content[end:-12] + content[start:end] + content[-12:]


def save_turned(path, upright, orientation):
    """`upright` in the kind of file that the name's suffixes say, stored as the orientation says."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = KINDS[path.name.partition(".")[2]]
    stored = np.ascontiguousarray(as_stored(upright, orientation))
    save(path, Image.fromarray(stored), exif=exif, **options)
    if path.name.endswith("late.png"):
        path.write_bytes(behind_the_pixels(path.read_bytes()))
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", SIDES)
def test_turned_files_are_upright(tmp_path, orientation, kind):
    path = save_turned(tmp_path / f"a.{kind}", SCENE, orientation)
    assert read_header(path, SAME)[1:] == (40, 48)
    found, expected = read_pixels(path, SAME), squashed(Image.fromarray(SCENE))
    # The scene's mirror images differ by far more than what JPEG loses.
    assert np.abs(found.astype(int) - expected).max() <= (4 if kind == "jpg" else 0)


@pytest.mark.parametrize("kind", ["png", "late.png", "lzw.tif"])
@pytest.mark.parametrize("orientation", SIDES)
def test_turned_masks_are_upright(tmp_path, orientation, kind):
    inside = np.arange(32 * 32).reshape(32, 32) % 7 == 0
    path = save_turned(tmp_path / f"m.{kind}", np.where(inside, 255, 0).astype("u1"), orientation)
    assert np.array_equal(read_mask(path, SAME), inside)


def test_the_size_of_a_png_is_read_without_its_pixels(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", Image.fromarray(SCENE))
    monkeypatch.setattr(Image.Image, "load", lambda image: pytest.fail("decoded"))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("decoded"))
    assert read_header(path, SAME)[1:] == (40, 48)


def test_broken_exif_around_good_pixels_is_passed_over(tmp_path):
    path = save(tmp_path / "a.jpg", Image.fromarray(SCENE), exif=b"Exif\0\0MM\0*garbage")
    assert np.array_equal(read_pixels(path, SAME), squashed(Image.open(path)))


def test_content_counts_and_not_the_name(tmp_path):
    # ImageNet's n02105855_2933.JPEG is a PNG.
    path = tmp_path / "n02105855_2933.JPEG"
    Image.fromarray(SCENE).save(path, format="PNG")
    assert np.array_equal(read_pixels(path, SAME), squashed(Image.fromarray(SCENE)))


def jpeg():
    buffer = io.BytesIO()
    Image.fromarray(SCENE).resize((200, 160)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"no image at all", "no image of a known kind"),
        (jpeg()[:40], ""),
        (jpeg()[: len(jpeg()) // 2], "truncated"),
        # Pillow would start Ghostscript for this.
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image of a known kind"),
    ],
    ids=["empty", "text", "header-cut", "truncated", "postscript"],
)
def test_unreadable_files_are_named_with_the_reason(tmp_path, content, says):
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadableImage, match=r"bad\.jpg") as raised:
        read_pixels(path, SAME)
    assert says in raised.value.reason


def test_a_missing_file_a_folder_and_a_pipe_are_unreadable(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for name in ("none.jpg", ".", "pipe.jpg"):
        with pytest.raises(UnreadableImage):
            read_header(tmp_path / name, SAME)


def test_the_truncated_file_passes_the_check_of_its_header_only(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg()[: len(jpeg()) // 2])
    assert read_header(path, SAME)[1:] == (160, 200)


def test_too_many_pixels_are_refused_before_decoding(tmp_path):
    path = save(tmp_path / "bomb.png", Image.new("1", (3000, 2000)))
    assert path.stat().st_size < 10_000
    for read in (read_header, read_pixels, read_mask):
        with pytest.raises(UnreadableImage, match=r"3000 x 2000 pixels.*5 megapixels"):
            read(path, Decoding(32, max_pixels=5_000_000))


def test_a_strip_is_not_blown_up_without_bound(tmp_path):
    path = save(tmp_path / "strip.png", Image.new("L", (60_000, 1)))
    assert read_pixels(path, SAME).shape == (32, 32, 3)
    with pytest.raises(UnreadableImage, match="elongated"):
        read_pixels(path, Decoding(224, resize="crop", max_pixels=5_000_000))


def test_thirty_two_bits_are_refused(tmp_path):
    path = save(tmp_path / "a.tif", Image.fromarray(SCENE[..., 0].astype(np.float32)))
    with pytest.raises(UnreadableImage, match="32-bit"):
        read_pixels(path, SAME)


def test_a_file_that_changed_since_it_was_indexed_is_named(tmp_path):
    path = save(tmp_path / "a.png", Image.fromarray(SCENE))
    size = path.stat().st_size
    assert read_pixels(path, SAME, size).shape == (32, 32, 3)
    with pytest.raises(VebiError, match=r"a\.png has .* --forcerun load_dataset"):
        read_pixels(path, SAME, size + 1)


@given(st.data())
def test_flipped_bytes_give_pixels_or_one_kind_of_error(tmp_path_factory, data):
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM"]))
    buffer = io.BytesIO()
    Image.fromarray(SCENE[:12, :9]).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("flip") / "a"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    # Any other exception ends the test.
    for read in (read_header, read_pixels, read_mask):
        with suppress(UnreadableImage):
            assert read(path, Decoding(8, max_pixels=1_000_000)) is not None


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_masks_of_every_mode_are_what_is_not_zero(tmp_path, mode):
    inside = rng.random((32, 32)) < 0.3
    if mode == "I;16":
        image = Image.fromarray(np.where(inside, 1, 0).astype(np.uint16))
    elif mode == "P":
        image = Image.fromarray(np.where(inside, 3, 0).astype(np.uint8), "L").convert("P")
        image.putdata(np.where(inside, 3, 0).ravel().tolist())
    else:
        image = Image.fromarray(np.where(inside, 255, 0).astype(np.uint8)).convert(mode)
    path = save(tmp_path / "m.png", image)
    assert np.array_equal(read_mask(path, SAME), inside)


def test_a_resized_mask_holds_pixels_of_which_half_is_inside(tmp_path):
    inside = rng.random((96, 64)) < 0.5
    path = save(tmp_path / "m.png", Image.fromarray(inside))
    share = inside.reshape(32, 3, 32, 2).mean((1, 3))
    assert np.array_equal(read_mask(path, SAME), share >= 0.5)
