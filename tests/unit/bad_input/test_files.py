"""Broken descriptor files, heatmaps, masks, images, labels, data sets and models, each with its error."""

import csv
import io
import os
import shutil
import struct
import zlib

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from vebi.config.datasets import ImageFolderConfig
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.data.image_folder import index_images
from vebi.io.errors import VebiError
from vebi.models.model_file import load_model, save_model
from vebi.models.nets import NetSpec, build
from vebi.models.weights import read_weights
from vebi.selection.path_file import read_solution

RNG = np.random.default_rng(0)
X = RNG.random((20, 5)).astype(np.float32)
LABELS = np.arange(20) % 2
INDEX = {"feature_layer": np.zeros(5, int), "feature_channel": np.arange(5), "layer_names": ["a"]}


def group(file, name):
    file.create_group(name)


def elsewhere(file, name):
    file[name] = h5py.ExternalLink("/etc/passwd", f"/{name}")


def row_of(**changed):
    return changed


# What is changed in a good descriptor file (None: left out), more arguments, what must be said.
DESCRIPTORS = [
    ({"X": None}, [], ["no array 'X'", "labels (N)"]),
    ({"labels": None}, [], ["no array 'labels'"]),
    ({"X": group}, [], ["'X'", "group"]),
    ({"X": elsewhere}, [], ["X", "/etc/passwd", "not followed"]),
    ({"X": X[:, 0]}, [], ["X", "matrix of floats", "(20,)"]),
    ({"X": X[:, :0]}, [], ["X", "matrix of floats", "(20, 0)"]),
    ({"X": (X * 9).astype(int)}, [], ["X", "matrix of floats", "int64"]),
    ({"X": h5py.Empty("f4")}, [], ["X", "matrix of floats"]),
    ({"X": np.where(X > 0.9, np.nan, X)}, [], ["X", "column", "row", "not finite"]),
    ({"X": np.where(X > 0.9, -np.inf, X)}, [], ["X", "not finite"]),
    ({"X": X.astype(float) * 1e200}, [], ["largest value of X", "divide X by 1e+200"]),
    ({"X": X.astype(float) * 1e-200}, [], ["largest value of X", "divide X by 1e-200"]),
    ({"labels": LABELS[:7]}, [], ["labels", "(7,)", "one label per row"]),
    ({"labels": LABELS[:, None]}, [], ["labels", "one label per row"]),
    ({"labels": LABELS * 0.5}, [], ["labels", "integers", "float64"]),
    ({"labels": LABELS - 1}, [], ["labels", "-1", "count from 0"]),
    ({"labels": LABELS * 2}, [], ["class 1 of 3", "without gaps"]),
    ({"labels": LABELS + 2**45}, [], ["labels", "fewer than 10,000"]),
    ({"labels": ["cat"] * 20}, [], ["labels", "integers"]),
    ({"labels": h5py.Empty("i8")}, [], ["labels", "one label per row"]),
    ({"split": np.zeros(7, int)}, [], ["split", "(7,)", "(20,)"]),
    ({"split": np.zeros(70, int)}, [], ["split", "(70,)"]),
    ({"split": ["train"] * 20}, [], ["split", "integers"]),
    ({"split": np.ones(20, int)}, [], ["no sample to learn from"]),
    ({}, ["--labels", "predictions"], ["no array 'predictions'"]),
    ({"predictions": LABELS + 2**40}, [], ["predictions", "fewer than"]),
    ({}, ["--scope", "conv"], ["scope 'conv'", "use scope 'all'"]),
    ({**INDEX, "feature_layer": np.zeros(5)}, [], ["feature_layer", "integers"]),
    ({**INDEX, "feature_layer": np.arange(5)}, [], ["feature_layer", "1 and 1 entries"]),
    ({**INDEX, "feature_layer": np.zeros(4, int)}, [], ["feature_layer", "(4,)", "(5,)"]),
    ({**INDEX, "feature_channel": np.full(5, np.nan)}, [], ["feature_channel", "integers"]),
    ({**INDEX, "layer_names": None}, [], ["no array 'layer_names'"]),
    ({**INDEX, "layer_names": [1]}, [], ["layer_names", "texts"]),
    ({**INDEX, "layer_names": np.array([b"\xff"])}, [], ["layer_names", "UTF-8"]),
    ({**INDEX, "layer_types": group}, [], ["layer_types", "group"]),
    ({}, ["--mu", "0"], ["mu = 0", "positive"]),
    ({}, ["--mu", "inf"], ["mu = inf", "positive"]),
    ({}, ["--mu", "1e300"], ["mu = 1e+300", "1e+100"]),
]


@pytest.mark.parametrize(("changed", "arguments", "says"), DESCRIPTORS)
def test_descriptor_files(vebi, helpers, tmp_path, changed, arguments, says):
    path = helpers.write_h5(tmp_path / "x.h5", **{"X": X, "labels": LABELS, **changed})
    mu = [] if "--mu" in arguments else ["--mu", 1]
    done = vebi("select", path, *mu, *arguments, "--out", tmp_path / "out")
    assert helpers.problems(done, *says) == []
    assert not (tmp_path / "out/path.h5").exists()


HEATMAPS = RNG.random((3, 4, 4)).astype(np.float32)
MASKS = np.arange(48).reshape(3, 4, 4) % 3 == 0
OVERLAPS = [
    ({"heatmaps": None}, {}, ["no array 'heatmaps'"]),
    ({"heatmaps": group}, {}, ["'heatmaps'", "group"]),
    ({"heatmaps": elsewhere}, {}, ["heatmaps", "/etc/passwd", "not followed"]),
    ({}, {"masks": None}, ["no array 'masks'"]),
    ({"heatmaps": HEATMAPS[0]}, {}, ["(4, 4)", "(N, H, W)"]),
    ({"heatmaps": HEATMAPS[:0]}, {}, ["no heatmaps"]),
    ({"heatmaps": HEATMAPS[:2]}, {}, ["2 heatmaps, 3 masks"]),
    ({"heatmaps": HEATMAPS[:, :3]}, {}, ["one size"]),
    ({"heatmaps": HEATMAPS[:, :0]}, {"masks": MASKS[:, :0]}, ["empty"]),
    ({"heatmaps": HEATMAPS * np.nan}, {}, ["[0, 1] without NaN", "image 0"]),
    ({"heatmaps": HEATMAPS * 255}, {}, ["[0, 1]"]),
    ({"heatmaps": HEATMAPS - 1}, {}, ["[0, 1]"]),
    ({"heatmaps": HEATMAPS + 1j}, {}, ["complex64", "floating-point"]),
    ({"heatmaps": (HEATMAPS > 0.5)}, {}, ["bool", "floating-point"]),
    ({}, {"masks": MASKS & False}, ["mask of image 0 is empty"]),
    ({}, {"masks": MASKS * np.nan}, ["masks are float64", "true and false"]),
    ({"image_index": [0, 1]}, {}, ["image_index", "one integer per heatmap"]),
    ({"image_index": [0.0, 1, 2]}, {}, ["image_index", "integer"]),
    ({"image_index": [0, 0, 1]}, {}, ["image_index has 0 more than once"]),
    ({"image_index": [0, 1, 3]}, {}, ["reaches 3", "3 masks"]),
    ({"image_index": [-1, 0, 1]}, {}, ["reaches -1"]),
    ({"image_index": np.array([0, 1, 2**63], np.uint64)}, {}, ["reaches 9223372036854775808"]),
]


@pytest.mark.parametrize(("maps", "masks", "says"), OVERLAPS)
def test_heatmaps_and_masks(vebi, helpers, tmp_path, maps, masks, says):
    a = helpers.write_h5(tmp_path / "h.h5", **{"heatmaps": HEATMAPS, **maps})
    b = helpers.write_h5(tmp_path / "m.h5", **{"masks": MASKS, **masks})
    assert helpers.problems(vebi("iou", a, b), *says) == []


def test_heatmaps_of_any_float_give_the_same_numbers(vebi, helpers, tmp_path):
    # Sixteenths are exact in every float.
    maps = np.arange(48).reshape(3, 4, 4) % 17 / 16
    masks = helpers.write_h5(tmp_path / "m.h5", masks=MASKS)
    said = set()
    for kind in ("<f2", "<f4", ">f4", "<f8", ">f8", np.longdouble):
        path = helpers.write_h5(tmp_path / "h.h5", heatmaps=maps.astype(kind))
        done = vebi("iou", path, masks)
        assert done.code == 0, done
        said.add(done.out)
    assert len(said) == 1


def encoded(mode="RGB", size=(12, 10), kind="PNG", **options):
    stream = io.BytesIO()
    Image.new(mode, size, **({} if mode == "I" else {"color": 7})).save(stream, kind, **options)
    return stream.getvalue()


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def tiff_of_tiles(side):
    tags = [(256, 10), (257, 10), (258, 8), (259, 8), (262, 1), (277, 1)]
    tags += [(322, side), (323, side), (324, 140), (325, 64)]
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(80)


def jpeg_of_scans(n):
    whole = encoded("L", (2000, 2000), "JPEG", progressive=True)
    start = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[start:-2] * n + whole[-2:]


PNG = encoded()
IMAGES = {
    "empty": (b"", ["it is empty"]),
    "text": (b"no image at all", ["no image of a known kind"]),
    "random": (RNG.bytes(500), ["no image of a known kind"]),
    "html": (b"<html>404 not found</html>", ["no image of a known kind"]),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ["no image of a known kind"]),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", ["known kind"]),
    "cut header": (PNG[:20], ["Truncated"]),
    "cut png": (encoded(size=(90, 90))[:-40], ["truncated"]),
    "cut jpeg": (encoded("L", (90, 90), "JPEG")[:-40], ["truncated"]),
    "32 bit": (encoded("I", kind="TIFF"), ["32-bit"]),
    "huge": (PNG[:8] + png_chunk(b"IHDR", struct.pack(">II", 30000, 30000) + PNG[24:29]) + PNG[33:],
             ["limit"]),
    "large": (encoded("L", (2500, 900)), ["2500 x 900", "megapixels allowed"]),
    "text bomb": (PNG[:33] + png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 24))) + PNG[33:],
                  ["too large"]),
    "scans": (jpeg_of_scans(60), ["scans of 2000 x 2000"]),
    "tiles": (tiff_of_tiles(40000), ["tiles of 40000 x 40000"]),
    "bmp": (encoded(kind="BMP")[:18] + struct.pack("<ii", 10, -(2**31)) + encoded(kind="BMP")[26:],
            ["limit"]),
    "no pixels": (b"P5 0 0 255\n", ["no image of a known kind"]),
}  # fmt: skip


@pytest.fixture
def photos(tmp_path):
    """A folder of two classes with two good images each."""
    for name in ("a/1", "a/2", "b/1", "b/2"):
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
    return tmp_path / "photos"


def folder_config(root, **changed):
    return ImageFolderConfig(
        **{"kind": "image_folder", "path": str(root), "layout": "class_folders", "n_classes": 2}
        | {"size": 8, "max_megapixels": 4.0, "verify": "decode"}
        | changed
    )


@pytest.mark.parametrize("name", IMAGES)
def test_images_of_a_folder(photos, name):
    content, says = IMAGES[name]
    (photos / "a/bad.jpg").write_bytes(content)
    megapixels = 1.0 if name == "large" else 4.0
    with pytest.raises(VebiError) as caught:
        index_images(folder_config(photos, max_megapixels=megapixels))
    for word in ("1 images of", "a/bad.jpg", "on_corrupt: skip", *says):
        assert word in str(caught.value)
    # Left out, the rest is as it was.
    index = index_images(folder_config(photos, max_megapixels=megapixels, on_corrupt="skip"))
    assert len(index.files) == 4
    assert list(index.skipped) == ["a/bad.jpg"]


@pytest.mark.parametrize("name", ["empty", "random", "cut png", "tiles"])
def test_an_image_to_be_explained(vebi, helpers, photos, tmp_path, name):
    (tmp_path / "bad.png").write_bytes(IMAGES[name][0])
    (tmp_path / "nets.py").write_text(
        "from torch import nn\ndef make():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))\n"
    )
    done = vebi("explain", "bad.png", "--factory", "nets.py:make", "--data", photos, "--size", 8)
    assert done.code == 2
    # The code that runs is announced; then the progress bar; the error is the last line.
    assert "running the code of 'nets.py'" in done.err
    last = done.err.splitlines()[-1]
    assert last.startswith("error: bad.png can't be read as an image")
    assert "Traceback" not in done.err


def test_a_pipe_or_a_device_is_no_image_and_no_array(vebi, helpers, photos, tmp_path):
    os.mkfifo(photos / "a/pipe.png")
    (photos / "b/zero.png").symlink_to("/dev/zero")
    with pytest.raises(VebiError, match="2 images of") as caught:
        index_images(folder_config(photos))
    assert str(caught.value).count("it is not a file") == 2
    os.mkfifo(tmp_path / "pipe.h5")
    assert helpers.problems(vebi("iou", "pipe.h5", "pipe.h5"), "pipe.h5", "not a file") == []
    assert (
        helpers.problems(
            vebi("select", "pipe.h5", "--mu", 1, "--out", "o"), "pipe.h5", "not a file"
        )
        == []
    )


LISTS = [
    ("", ["no column path"]),
    ("file,label\na/1.png,a\n", ["no column path", "file,label"]),
    ("path,label\n", ["no images"]),
    ("path,label,path\nx,a,b\n", ["path", "twice"]),
    ("path,label\na/1.png\n", ["line 2", "1 values", "2 columns"]),
    ("path,label\na/1.png,\n", ["line 2", "label is empty"]),
    ("path,label\n../secret.png,a\n", ["'../secret.png'", "without '..'"]),
    ("path,label\n/etc/passwd,a\n", ["'/etc/passwd'"]),
    ("path,label\na/1.png,a\na/1.png,b\n", ["more than once", "a/1.png"]),
    ('path,label\n"a/1.png,a\n', ["broken CSV"]),
    ("path,label\n" + "x" * 200_000 + ",a\n", ["broken CSV", "field"]),
    ("path,label,split\na/1.png,a,holdout\n", ["'holdout' (line 2)", "ignore_other_splits"]),
    ("path,label\na/1.png,a\nb/1.png,b\n", ["single image"]),
    ("path,label,split\na/1.png,a,train\nb/1.png,b,train\n", ["no test images"]),
    ("path,label\na/1.png,a\na/2.png,a\n", ["has 1 classes", "n_classes is 2"]),
    ("path,label\na/9.png,a\na/1.png,a\nb/1.png,b\nb/2.png,b\n", ["a/9.png", "no such file"]),
    ("path,label\nb,a\na/1.png,a\nb/1.png,b\nb/2.png,b\n", ["b (it is not a file)"]),
    ("path,label\na\x07,a\n", ["not text"]),
    (b"path,label\n\xff\xfe,a\n", ["not in UTF-8"]),
    (b"path,label\na\0,a\n", ["a"]),
]


@pytest.mark.parametrize(("text", "says"), LISTS)
def test_label_files(photos, text, says):
    content = text if isinstance(text, bytes) else text.encode()
    (photos / "labels.csv").write_bytes(content)
    with pytest.raises(VebiError) as caught:
        index_images(folder_config(photos, layout="csv"))
    for word in says:
        assert word in str(caught.value)


MASK_FILES = [
    (None, ["no mask"]),
    (b"", ["its mask masks/a/1.png", "it is empty"]),
    (encoded("L", (5, 5)), ["its mask masks/a/1.png is 5 x 5", "the image 12 x 10"]),
    (encoded("L")[:-30], ["its mask masks/a/1.png"]),
]


@pytest.mark.parametrize(("content", "says"), MASK_FILES)
def test_mask_files(photos, content, says):
    shutil.copytree(photos, photos / "masks")
    (photos / "masks/a/1.png").unlink()
    if content is not None:
        (photos / "masks/a/1.png").write_bytes(content)
    with pytest.raises(VebiError) as caught:
        index_images(folder_config(photos, masks="masks"))
    for word in says:
        assert word in str(caught.value)


PIXELS = np.zeros((6, 8, 8, 1), np.uint8)
DATA = {"images": PIXELS, "labels": np.arange(6) % 2, "split": np.array([0, 0, 0, 0, 1, 1])}
DATA_SETS = [
    (row_of(images=None), ["lacks images"]),
    (row_of(split=None), ["lacks split"]),
    (row_of(images=PIXELS[..., 0]), ["(N, H, W, C)"]),
    (row_of(images=PIXELS / 255), ["images are float64", "uint8, from 0 to 255"]),
    (row_of(images=PIXELS[:, :0]), ["0 x 8 pixels"]),
    (row_of(images=group), ["'images'", "group"]),
    (row_of(labels=np.arange(5)), ["labels (5,)"]),
    (row_of(labels=np.arange(6)), ["labels reach 5", "2 classes"]),
    (row_of(labels=np.arange(6) - 1), ["labels reach -1"]),
    (row_of(labels=np.zeros(6)), ["labels", "integers"]),
    (row_of(labels=DATA["labels"][:, None]), ["labels (6, 1)"]),
    (row_of(split=np.full(6, 2)), ["split has 2", "0 (training) and 1 (test)"]),
    (row_of(masks=np.ones((6, 8, 8), np.uint8)), ["masks holds uint8", "true or false"]),
    (row_of(masks=np.ones((5, 8, 8), bool)), ["masks", "(5, 8, 8)", "(6, 8, 8)"]),
    (row_of(labels=elsewhere), ["labels", "/etc/passwd", "not followed"]),
]


@pytest.mark.parametrize(("changed", "says"), DATA_SETS)
def test_data_set_files(helpers, tmp_path, changed, says):
    path = helpers.write_h5(tmp_path / "d.h5", **{**DATA, **changed})
    with h5py.File(path, "r+") as file:
        file.attrs["classes"] = ["a", "b"]
    with pytest.raises(VebiError) as caught:
        open_dataset(path)
    for word in says:
        assert word in str(caught.value)


def test_a_data_set_file_without_names_of_classes(helpers, tmp_path):
    with pytest.raises(VebiError, match="classes"):
        open_dataset(helpers.write_h5(tmp_path / "d.h5", **DATA))


def test_layers_and_splits_that_leave_nothing(vebi, helpers, tmp_path):
    (tmp_path / "nets.py").write_text(
        "import torch\nfrom torch import nn\n"
        "def large():\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 9), nn.Flatten(), nn.Linear(4, 2))\n"
        "def nan():\n"
        "    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 2))\n"
        "    net[0].weight.data[1] = float('nan')\n"
        "    return net\n"
    )
    write_dataset(tmp_path / "d.h5", Images(PIXELS, DATA["labels"], DATA["split"], ["a", "b"]))
    ask = ("explain", "x.png", "--data", "d.h5", "--factory")
    done = vebi(*ask, "nets.py:large")
    assert done.code == 2
    assert "does not fit images of shape (1, 8, 8)" in done.err.splitlines()[-1]
    done = vebi(*ask, "nets.py:nan")
    assert done.code == 2
    assert "Layer '0' responds with NaN or infinity" in done.err.splitlines()[-1]


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    from vebi.selection.select import select

    folder = tmp_path_factory.mktemp("solved")
    with h5py.File(folder / "x.h5", "w") as file:
        file["X"], file["labels"] = X, LABELS
    select(folder / "x.h5", [0.5, 1], folder)
    return folder / "path.h5"


def value(name, new):
    def change(file):
        del file[name]
        file[name] = new

    return change


def entry(name, place, new):
    def change(file):
        file[name][place] = new

    return change


def attribute(name, new):
    def change(file):
        file.attrs[name] = new

    return change


PATHS = [
    (entry("class_0/indices", 0, 10**9), ["class_0: indices do not lie in 0 to 4"]),
    (entry("class_0/indices", 0, -1), ["class_0: indices do not lie in 0 to 4"]),
    (entry("class_1/indptr", 1, 10**9), ["class_1: indptr"]),
    (entry("class_1/indptr", 0, -5), ["class_1: indptr"]),
    (entry("class_0/data", 0, np.nan), ["class_0: weights are not finite"]),
    (entry("class_0/l1_norm", 0, 99.0), ["class_0: l1_norm does not ascend"]),
    (value("class_0/multiplier", [1.0]), ["class_0/multiplier", "(1,)"]),
    (value("columns", [99]), ["columns do not lie"]),
    (value("feature_layer", [1]), ["feature_layer", "texts"]),
    (attribute("m", 10**12), ["m = 1000000000000"]),
    (attribute("m", "five"), ["not a path.h5"]),
    (attribute("n_classes", 10**12), ["no array 'class_2/l1_norm'"]),
    (attribute("n_classes", 0), ["no classes"]),
    (lambda file: file.attrs.__delitem__("scope"), ["not a path.h5", "scope"]),
]


@pytest.mark.parametrize(("change", "says"), PATHS)
def test_selections(solved, tmp_path, change, says):
    path = shutil.copy(solved, tmp_path / "path.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(VebiError) as caught:
        read_solution(path)
    for word in (str(path), *says):
        assert word in str(caught.value)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    spec = NetSpec("vgg_gap", (1, 16, 16), 2, 64.0)
    path = tmp_path_factory.mktemp("model") / "model.pt"
    save_model(path, build(spec), spec, ["a", "b"])
    return path


def spec(key, new):
    def change(content):
        content["spec"][key] = new

    return change


def weight(new):
    def change(content):
        content["state"]["conv1_1.weight"] = new

    return change


MODELS = [
    (spec("n_classes", 10**12), ["does not fit"]),
    (spec("n_classes", "two"), []),
    (spec("input_shape", [1, 10**6, 10**6]), ["images of shape"]),
    (spec("input_shape", [1, -16, 16]), ["images of shape"]),
    (spec("architecture", "no_such_net"), ["no_such_net", "known"]),
    (spec("architecture", 5), []),
    (spec("architecture", "factory:os:system"), ["os:system", "pass --factory os:system"]),
    (spec("kwargs", {"width": 10**9}), []),
    (spec("more", 1), []),
    (weight(torch.zeros(1).expand(32, 1, 3, 3)), ["fewer values"]),
    (weight(torch.zeros(5)), ["'conv1_1.weight' does not fit"]),
    (weight(torch.zeros(32, 1, 3, 3).to_sparse()), ["sparse"]),
    (lambda content: content.pop("state"), []),
    (lambda content: content.update(spec=[1]), []),
    (lambda content: content.update(state=[1]), []),
    (lambda content: content.update(classes=None), []),
]


@pytest.mark.parametrize(("change", "says"), MODELS)
def test_models(model, tmp_path, change, says):
    content = torch.load(model, weights_only=True)
    change(content)
    path = tmp_path / "model.pt"
    torch.save(content, path)
    with pytest.raises(VebiError) as caught:
        load_model(path)
    for word in ("model.pt" if not says or "known" not in says else "", *says):
        assert word in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"junk", PNG, b"PK\x03\x04" + bytes(40)])
@pytest.mark.parametrize("name", ["w.pt", "w.mat"])
def test_weights_that_are_something_else(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VebiError, match=name):
        read_weights(tmp_path / name)
    with pytest.raises(VebiError, match=r"w\.npz"):
        read_weights(tmp_path / "w.npz")


PLACES = [
    (["select", "x.h5", "--mu", 1, "--out", "file"], ["file"]),
    (["select", "x.h5", "--mu", 1, "--out", "file/below"], ["file"]),
    (["select", "x.h5", "--mu", 1, "--out", "o" * 300], ["File name too long"]),
    (["select", "n" * 300, "--mu", 1, "--out", "o"], ["File name too long"]),
    (["select", "absent.h5", "--mu", 1, "--out", "o"], ["absent.h5", "no such file"]),
    (["select", ".", "--mu", 1, "--out", "o"], ["not a file"]),
    (["select", "file", "--mu", 1, "--out", "o"], ["file", "HDF5", "X (N, m)"]),
    (["verify", "absent"], ["absent", "no such folder"]),
    (["verify", "file"], ["file", "no such folder"]),
    (["verify", "."], ["manifest.json", "not there"]),
    (["diff", "absent", "."], ["absent", "no such folder or file"]),
    (["diff", ".", "file"], ["one is a file and one a folder"]),
    (["diff", "x.h5", "x.h5", "--tolerances", "file"], ["file", "header"]),
    (["explain", "x.png", "--run", "absent", "--dataset", "d", "--model", "m"], ["absent"]),
    (["explain", "x.png", "--data", "file", "--weights", "file"], ["file", "HDF5"]),
    (
        ["explain", "x.png", "--data", ".", "--architecture", "matconvnet"],
        ["no folder with images"],
    ),
    (["explain", "x.png", "--data", ".", "--method", "magic"], ["magic"]),
    (
        ["explain", "x.png", "--method", "lrp", "--factory", "a:b", "--classes", 10**12],
        ["--classes", "100,000"],
    ),
]


@pytest.mark.parametrize(("arguments", "says"), PLACES)
def test_places(vebi, helpers, tmp_path, arguments, says):
    helpers.write_h5(tmp_path / "x.h5", X=X, labels=LABELS)
    (tmp_path / "file").write_text("nothing")
    assert helpers.problems(vebi(*arguments), *says) == []


def test_a_manifest_without_a_configuration(vebi, helpers, tmp_path):
    for config in ("null", "[1]", '{"run": "../x"}'):
        (tmp_path / "manifest.json").write_text(
            f'{{"format": 1, "results": {{}}, "config": {config}}}'
        )
        done = vebi("explain", "x.png", "--run", ".", "--dataset", "d", "--model", "m")
        assert done.code == 2
        assert "manifest.json" in done.err
        assert "defect of vebi" not in done.err
    text = '{"format": 1, "results": {"../../etc/passwd": {"bytes": 1, "sha256": ""}}}'
    (tmp_path / "manifest.json").write_text(text)
    assert helpers.problems(vebi("verify", "."), "outside the run's folder") == []


def test_the_tables_above_are_long_enough():
    tables = (DESCRIPTORS, OVERLAPS, IMAGES, LISTS, MASK_FILES, DATA_SETS, PATHS, MODELS, PLACES)
    assert sum(map(len, tables)) >= 90
    assert csv.field_size_limit() < 200_000
