"""Properties: whatever a file holds, it is read right or refused in a clear line; nothing hangs.

The examples are the same in every run, and few; VEBI_FUZZ=100 makes a hundred times as many.
"""

import contextlib
import copy
import io
import json
import logging
import math
import os
import sys
import tempfile
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from vebi import cli
from vebi.config import Config, parse_config
from vebi.config.datasets import ImageFolderConfig
from vebi.data.dataset import open_dataset, write_index
from vebi.data.decoding import Decoding, UnreadableImage, read_mask, read_pixels
from vebi.data.image_folder import index_images
from vebi.data.on_disk import leave_out_absent
from vebi.diff.folders import compare
from vebi.io.errors import VebiError

TIMES = float(os.environ.get("VEBI_FUZZ", "1"))


def examples(n):
    return settings(
        max_examples=max(1, int(n * TIMES)),
        suppress_health_check=list(HealthCheck),
        derandomize=TIMES == 1,
    )


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "level", logging.ERROR)


def require_clear(error, longest, *words):
    """An error's message is short and says all the words."""
    assert len(str(error)) < longest
    for word in words:
        assert word in str(error)


def call(*arguments):
    """The command line in this process: exit code and what stands on standard output and error."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["vebi", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
        code = 0
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    said = out.getvalue() + err.getvalue()
    assert "Traceback" not in said
    assert "defect of vebi" not in said, said
    return code, out.getvalue(), err.getvalue()


def command(*arguments):
    """As `call`, for commands that say in one line why they refuse."""
    code, out, err = call(*arguments)
    if code == 2:
        lines = [line for line in err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, err
        assert len(lines[0]) < 1000
    return code, out, err


# --- configurations ---

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 2**63, 10**400, 10**7, 3])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["", "..", "../x", "/", "\0", "1e-3", "net", "digits", "x" * 5000, "~x", "é"])
    | st.binary(max_size=4)
    | st.dates()
)
KEYS = st.sampled_from(["kind", "mu", "epochs", "a", "x/y", ""]) | st.text(max_size=5) | st.none()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def places(values, path=()):
    """Every place in nested dictionaries and lists."""
    items = values.items() if isinstance(values, dict) else enumerate(values)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*path, key))


@examples(250)
@given(data=st.data())
def test_a_mutated_configuration_is_right_or_refused(helpers, data):
    values = copy.deepcopy(helpers.config)
    for _ in range(data.draw(st.integers(1, 3))):
        there = list(places(values))
        if not there:
            break
        *steps, last = data.draw(st.sampled_from(there))
        inside = values
        for step in steps:
            inside = inside[step]
        change = data.draw(st.sampled_from(["set", "set", "delete", "add", "double"]))
        if change == "set":
            inside[last] = data.draw(VALUES)
        elif change == "delete":
            del inside[last]
        elif change == "add" and isinstance(inside, dict):
            inside[data.draw(KEYS)] = data.draw(VALUES)
        elif change == "double" and isinstance(inside, list):
            inside.append(copy.deepcopy(inside[last]))
    try:
        config, _ = leave_out_absent(parse_config(values))
    except VebiError as error:
        require_clear(error, 40_000, "config")
        return
    # What is accepted is a configuration that can be written down and read again, with names that
    # stay in the results folder.
    plain = json.loads(json.dumps(config.model_dump()))
    assert Config.model_validate(plain) == config
    for name in (config.run, *config.datasets, *config.models):
        assert Path("results", name).resolve().parent == Path("results").resolve()


# --- descriptor files ---

FLOATS = st.sampled_from([np.float16, np.float32, np.float64, np.int32, ">f4"])
ELEMENTS = st.sampled_from([0.0, 0.0, 1.0, 0.5, 0.25, 1e-3, 3.0]) | st.floats(width=16)
MATRICES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6)


@examples(40)
@given(data=st.data())
def test_vebi_select_is_certified_or_refuses(data):
    shape = data.draw(st.tuples(st.integers(1, 8), st.integers(1, 5)) | MATRICES)
    x = data.draw(hnp.arrays(data.draw(FLOATS), shape, elements=None))
    if data.draw(st.booleans()) or data.draw(st.booleans()):
        x = data.draw(hnp.arrays(np.float64, shape, elements=ELEMENTS))
    n = len(x) + data.draw(st.sampled_from([0, 0, 0, 0, 1, -1]))
    labels = data.draw(st.lists(st.integers(0, 2), min_size=max(n, 0), max_size=max(n, 0)))
    if data.draw(st.integers(0, 9)) == 0:
        labels = data.draw(st.lists(st.integers(-(2**62), 2**62), max_size=4))
    more = data.draw(st.sampled_from([{}, {}, {"split": [0] * len(x)}, {"split": [0, 1]}]))
    options = data.draw(
        st.lists(st.sampled_from(["--nonnegative", "--scope=conv", "--solver=spgl1"]), max_size=2)
    )
    mus = data.draw(st.lists(st.sampled_from([0.5, 1, 10, 1e6, 0, -1, math.inf]), min_size=1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.h5")
        with h5py.File(path, "w") as file:
            file["X"], file["labels"] = x, np.array(labels, np.int64)
            for name, values in more.items():
                file[name] = np.array(values, np.int64)
        code, _, _ = command("select", path, *options, "--mu", *mus, "--out", Path(folder, "out"))
        if code:
            assert code == 2
            return
        rows = Path(folder, "out/selection.csv").read_text().splitlines()
        gaps = [float(row.split(",")[-1]) for row in rows[1:]]
        assert len(gaps) == len(set(map(float, mus)))
        # Where rounding swallows the fit (a multiple of it in X'X) a gap means nothing.
        if np.abs(x.astype(float)).max() <= 3 and "--solver=spgl1" not in options:
            assert max(gaps) < 1e-6


# --- heatmaps and masks ---


@examples(60)
@given(data=st.data())
def test_vebi_iou_is_the_definition_or_refuses(data):
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)) | MATRICES)
    values = st.floats(0, 1, width=16) | st.sampled_from([0.0, 1.0, 0.3])
    odd = st.floats(width=16)
    kind = data.draw(st.sampled_from([np.float64, np.float32, np.float16, ">f4", ">f8"]))
    maps = data.draw(hnp.arrays(np.float16, shape, elements=values)).astype(kind)
    if data.draw(st.integers(0, 5)) == 0:
        maps = data.draw(hnp.arrays(np.float16, shape, elements=odd))
    other = data.draw(st.just(shape) | MATRICES)
    masks = data.draw(hnp.arrays(data.draw(st.sampled_from([bool, np.uint8])), other))
    index = data.draw(st.none() | st.permutations(range(len(masks))) | st.lists(st.integers(-2, 5)))
    thresholds = data.draw(st.sampled_from([2, 3, 11, 101]))
    with tempfile.TemporaryDirectory() as folder:
        a, b = Path(folder, "h.h5"), Path(folder, "m.h5")
        with h5py.File(a, "w") as file:
            file["heatmaps"] = maps
            if index is not None:
                file["image_index"] = np.array(index, np.int64)
        with h5py.File(b, "w") as file:
            file["masks"] = masks
        out = Path(folder, "out")
        code, _, _ = command("iou", a, b, "--thresholds", thresholds, "--out", out)
        if code:
            assert code == 2
            return
        found = [
            float(row.split(",")[-1]) if row.count(",") == 2 else float(row.split(",")[2])
            for row in (out / "iou_curve.csv").read_text().splitlines()[1:]
        ]
    chosen = (masks if index is None else masks[list(index)]).astype(bool)
    expected = []
    for place in range(thresholds):
        above = maps.astype(float) >= place / (thresholds - 1)
        both = (above & chosen).sum((1, 2)) / (above | chosen).sum((1, 2))
        expected.append(both.mean())
    np.testing.assert_allclose(found, expected, atol=1e-6)


# --- two results folders ---

CELLS = st.sampled_from(
    ["", "0.1", "nan", "-inf", "1e999", "a", '"', "\0", "é", "10", "010", ",", "\n"]
)
CONTENTS = st.one_of(
    st.binary(max_size=60),
    st.lists(st.lists(CELLS, max_size=4).map(",".join), max_size=5).map(
        lambda rows: "\n".join(rows).encode()
    ),
    st.recursive(
        SCALARS.filter(lambda v: isinstance(v, (int, float, str))), st.lists, max_leaves=4
    ).map(lambda value: json.dumps(value, default=str).encode("utf-8", "replace")),
    st.integers(1, 5000).map(lambda n: b"[" * n + b"]" * n),
)
NAMES = [
    "tables/a.csv",
    "tables/iou_auc.csv",
    "x.json",
    "figures/f.png",
    "manifest.json",
    "m.pt",
    "r.txt",
]


@examples(60)
@given(data=st.data())
def test_vebi_diff_of_anything_with_itself_and_with_others(data):
    files = data.draw(st.dictionaries(st.sampled_from(NAMES), CONTENTS, min_size=1, max_size=3))
    others = dict(files)
    if data.draw(st.booleans()):
        others[data.draw(st.sampled_from(sorted(files)))] = data.draw(CONTENTS)
    with tempfile.TemporaryDirectory() as folder:
        roots = [Path(folder, "a"), Path(folder, "b")]
        for root, contents in zip(roots, (files, others), strict=True):
            for name, content in contents.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(content)
        codes = []
        for a, b in (roots, roots[::-1]):
            code, _, _ = call("diff", a, b)
            assert code in (0, 1, 2)
            codes.append(code)
        # The same from both sides; and the same bytes are never a difference.
        assert codes[0] == codes[1]
        if files == others:
            assert codes[0] != 1


@examples(50)
@given(
    content=st.binary(max_size=300), name=st.sampled_from(["x.zip", "x.tar", "x.tar.gz", "x.tgz"])
)
def test_vebi_diff_of_archives_of_random_bytes(content, name):
    heads = {"x.zip": b"PK\x03\x04", "x.tar.gz": b"\x1f\x8b\x08\0", "x.tgz": b"\x1f\x8b\x08\0"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(heads.get(name, b"") + content)
        with pytest.raises(VebiError, match=name):
            compare(path, path)


# --- images and folders of them ---


def _encoded():
    pixels = np.random.default_rng(0).integers(0, 255, (24, 20, 3)).astype(np.uint8)
    found = []
    for kind, image in (
        ("PNG", Image.fromarray(pixels)),
        ("PNG", Image.fromarray(pixels[..., 0]).convert("P")),
        ("JPEG", Image.fromarray(pixels)),
        ("GIF", Image.fromarray(pixels).convert("P")),
        ("BMP", Image.fromarray(pixels)),
        ("TIFF", Image.fromarray(pixels)),
        ("WEBP", Image.fromarray(pixels)),
        ("PPM", Image.fromarray(pixels)),
    ):
        stream = io.BytesIO()
        image.save(stream, kind)
        found.append(stream.getvalue())
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", progressive=True)
    return [*found, stream.getvalue()]


ENCODED = _encoded()


@st.composite
def damaged_images(draw):
    """A good image with some bytes changed, cut out or put in, near the start most of all."""
    content = bytearray(draw(st.sampled_from(ENCODED)))
    for _ in range(draw(st.integers(0, 4))):
        end = min(draw(st.sampled_from([32, 200, len(content)])), len(content))
        if end < 2:
            break
        place = draw(st.integers(0, end - 1))
        change = draw(st.sampled_from(["flip", "flip", "cut", "insert", "drop"]))
        if change == "flip":
            content[place] = draw(st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))
        elif change == "cut":
            del content[place:]
        elif change == "insert":
            content[place:place] = draw(st.binary(min_size=1, max_size=8))
        else:
            del content[place : place + draw(st.integers(1, 8))]
    return bytes(content)


@examples(300)
@given(content=damaged_images() | st.binary(max_size=100))
def test_any_bytes_are_an_image_or_unreadable(content):
    decoding = Decoding(8, max_pixels=1_000_000)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, "x.jpg")
        path.write_bytes(content)
        for read, shape in ((read_pixels, (8, 8, 3)), (read_mask, (8, 8))):
            try:
                assert read(path, decoding).shape == shape
            except UnreadableImage as error:
                require_clear(error, 500, "x.jpg")


ODD = st.sampled_from(
    ["a", "b", ".x", "é", "a b", "-", "a,b", '"', "x" * 200, "%s", "{0}", "a\nb", "\x7f"]
)


@examples(60)
@given(data=st.data())
def test_a_folder_of_anything_becomes_a_whole_data_set_or_is_refused(data):
    names = st.tuples(ODD, ODD, st.sampled_from([".png", ".JPG", ".gif", "", ".txt"]))
    files = data.draw(st.dictionaries(names, damaged_images(), max_size=8))
    table = data.draw(
        st.none() | st.lists(st.lists(CELLS | ODD, max_size=3).map(",".join), max_size=4)
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = Path(folder, "root")
        for number, ((directory, stem, suffix), content) in enumerate(files.items()):
            (root / directory).mkdir(parents=True, exist_ok=True)
            (root / directory / f"{number}{stem}{suffix}").write_bytes(content)
        root.mkdir(exist_ok=True)
        layout = "class_folders"
        if table is not None:
            layout = "csv"
            text = "\n".join(["path,label", *table])
            (root / "labels.csv").write_text(text, encoding="utf-8")
        try:
            config = ImageFolderConfig(
                kind="image_folder",
                path=str(root),
                layout=layout,
                n_classes=data.draw(st.integers(2, 3)),
                size=8,
                verify=data.draw(st.sampled_from(["header", "decode"])),
                on_corrupt=data.draw(st.sampled_from(["skip", "skip", "error"])),
                max_megapixels=1.0,
            )
            write_index(Path(folder, "d.h5"), index_images(config))
        except VebiError as error:
            require_clear(error, 5000)
            return
        dataset = open_dataset(Path(folder, "d.h5"))
        assert set(dataset.labels) == set(range(config.n_classes))
        assert {0, 1} == set(dataset.split)
        if config.verify == "decode":
            assert dataset.read("images").shape == (len(dataset), 8, 8, 3)
