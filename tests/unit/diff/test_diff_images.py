"""Figures are compared by pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vebi.diff import Outcome
from vebi.diff.folders import compare_files
from vebi.diff.tolerances import Row, Tolerance, Tolerances

EXACTLY = Tolerances([])
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def diff(a, b, tolerances=EXACTLY):
    return compare_files("figures/x.png", a, b, tolerances)[0]


def test_same_pixels_in_other_bytes(tmp_path):
    a = save(tmp_path / "a.png", PIXELS, compress_level=1)
    b = save(tmp_path / "b.png", PIXELS, compress_level=9, dpi=(300, 300))
    assert a.read_bytes() != b.read_bytes()
    assert diff(a, b).outcome is Outcome.ALIKE
    opaque = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)])
    assert diff(a, save(tmp_path / "c.png", opaque)).outcome is Outcome.ALIKE


@given(
    row=st.integers(0, 11),
    column=st.integers(0, 9),
    channel=st.integers(0, 2),
    step=st.integers(1, 255),
)
@settings(max_examples=50)
def test_one_pixel_is_found(tmp_path_factory, row, column, channel, step):
    folder = tmp_path_factory.mktemp("pixel")
    changed = PIXELS.copy()
    changed[row, column, channel] = (int(changed[row, column, channel]) + step) % 256
    a, b = save(folder / "a.png", PIXELS), save(folder / "b.png", changed)
    for result in (diff(a, b), diff(b, a)):
        assert (result.different, result.compared) == (1, 120)
        assert result.findings[0].where.startswith(f"({column}, {row})")


def test_tolerance_of_levels_and_share(tmp_path):
    changed = PIXELS.copy() // 2 + 60
    a = save(tmp_path / "a.png", changed)
    changed[0, 0] += 3
    changed[5, 5] += 40
    b = save(tmp_path / "b.png", changed)
    for atol, rtol, different in (
        (0, 0, 2),
        (3, 0, 1),
        (40, 0, 0),
        (3, 1 / 120, 0),
        (0, 1 / 120, 2),
    ):
        tolerances = Tolerances([Row("*", "pixels", Tolerance("close", atol, rtol))])
        assert diff(a, b, tolerances).different == different


def test_another_size(tmp_path):
    a, b = save(tmp_path / "a.png", PIXELS), save(tmp_path / "b.png", PIXELS[:-1])
    result = diff(a, b)
    assert (result.findings[0].a, result.findings[0].b) == ("10 x 12", "10 x 11")
    assert result.pictures is not None
    assert result.pictures.change is None


def test_sixteen_bits(tmp_path):
    deep = np.arange(12, dtype=np.uint16).reshape(3, 4) * 4000
    a = save(tmp_path / "a.png", deep)
    deep[1, 2] += 1
    assert diff(a, save(tmp_path / "b.png", deep)).different == 1


def test_hidden_colour_means_nothing(tmp_path):
    clear = np.zeros((2, 2, 4), np.uint8)
    a = save(tmp_path / "a.png", clear)
    clear[..., 0] = 200
    assert diff(a, save(tmp_path / "b.png", clear)).outcome is Outcome.ALIKE


def giant():
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0"))


def jpeg():
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, format="JPEG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no PNG"),
        (b"text", "no PNG"),
        (jpeg(), "no PNG"),
        (giant(), "no PNG|more than the limit"),
    ],
)
def test_no_png(tmp_path, content, message):
    whole = save(tmp_path / "a.png", PIXELS)
    (tmp_path / "b.png").write_bytes(content)
    for pair in ((whole, tmp_path / "b.png"), (tmp_path / "b.png", whole)):
        result = diff(*pair)
        assert result.outcome is Outcome.FAILED
        assert any(part in str(result.error) for part in message.split("|"))


@given(data=st.data())
@settings(max_examples=60)
def test_any_damage_gives_one_clear_result(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damage")
    whole = save(folder / "a.png", PIXELS)
    raw = bytearray(whole.read_bytes())
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
    else:
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    (folder / "b.png").write_bytes(raw)
    assert diff(whole, folder / "b.png").outcome in list(Outcome)
