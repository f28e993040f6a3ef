"""Hostile input of every kind that is read, and what reads it.

A kind is a function of a random generator and a folder. It writes its input into `in`, and returns what
is to be run in that folder: a function that returns "" for a right result, or what is wrong with it.
Results go into `out`. `outside`, beside them, is what no reader may touch, and links lead there.
"""

import csv
import gzip
import importlib
import io
import json
import random
import sys
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
import yaml
from PIL import Image
from scipy.io import savemat
from tests.fuzz.damage import damage, damage_text, damage_values

from vebi import cli
from vebi.claims.table import CLAIMS_TABLE
from vebi.config import Config, parse_config
from vebi.config.datasets import ImageFolderConfig
from vebi.config.files import check_keys_once
from vebi.data.dataset import Images, open_dataset, write_dataset, write_index
from vebi.data.decoding import Decoding, UnreadableImage, read_mask, read_pixels
from vebi.data.image_folder import index_images
from vebi.data.on_disk import leave_out_absent
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.io.errors import VebiError
from vebi.models.matconvnet import read_matconvnet
from vebi.models.model_file import load_model, save_model
from vebi.models.nets import NetSpec, build
from vebi.models.weights import read_weights
from vebi.run.checksums import check_files
from vebi.run.manifest import build_manifest, write_manifest
from vebi.selection.path_file import read_solution
from vebi.selection.select import select
from vebi.studies.registry import STUDY_TABLES

Act = Callable[[], str]
Kind = Callable[[random.Random, Path], Act]
OUTSIDE = "outside"
ROOT = Path(__file__).resolve().parents[2]


def command(*arguments: object) -> int:
    """The command line in this process: its exit code."""
    sys.argv = ["vebi", *map(str, arguments)]
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


class Refused(Exception):
    """The command line said in one line why it refuses; what it said is checked by the caller."""


def required(*arguments: object) -> None:
    """A command whose exit code is 0; raises Refused for 2."""
    code = command(*arguments)
    if code == 2:
        raise Refused
    if code:
        raise AssertionError(f"exit code {code}")


def some_bytes(rng: random.Random, content: bytes) -> bytes:
    return damage(rng, content) if rng.random() < 0.9 else rng.randbytes(rng.randrange(200))


# --- configurations ---


@cache
def _config() -> Any:
    base, smoke = (
        yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in ("config", "smoke")
    )
    return _overlaid(base, smoke)


def _overlaid(base: Any, extra: Any) -> Any:
    """What Snakemake does with a second configuration file."""
    if not (isinstance(base, dict) and isinstance(extra, dict)):
        return extra
    return {**base, **{key: _overlaid(base.get(key), value) for key, value in extra.items()}}


def configuration(rng: random.Random, folder: Path) -> Act:
    """A configuration with wrong values, keys and text."""
    values = damage_values(rng, _config()) if rng.random() < 0.8 else _config()
    try:
        text = yaml.safe_dump(values, allow_unicode=True)
    except (yaml.YAMLError, RecursionError, ValueError):
        text = "x"
    if rng.random() < 0.4:
        text = damage_text(rng, text)
    path = folder / "in/config.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    def act() -> str:
        check_keys_once([path])
        try:
            read = yaml.safe_load(path.read_bytes())
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise Refused from error  # Snakemake reads the file, and says so
        config, _ = leave_out_absent(parse_config(read))
        plain = json.loads(json.dumps(config.model_dump()))
        same = Config.model_validate(plain) == config
        names = (config.run, *config.datasets, *config.models)
        inside = all(Path("r", name).resolve().parent == Path("r").resolve() for name in names)
        return "" if same and inside else "accepted, and is not what it says"

    return act


# --- HDF5 ---

KINDS_OF_NUMBERS = ("f2", "f4", "f8", ">f4", "i1", "u8", "i8", "c8", "?", "S3", "f4,i4")


def _hostile_array(rng: random.Random, file: h5py.File, name: str, values: np.ndarray) -> None:
    """Instead of an array something else of its name."""
    # HDF5 knows no objects; texts of any length are some of the types below.
    values = values.astype("S8") if values.dtype == object else values
    try:
        rng.choice((_other_array, _other_array, _no_array))(rng, file, name, values)
    except (ValueError, TypeError, OverflowError, RuntimeError, OSError):
        # What this version of the format can't hold.
        if name not in file:
            file[name] = 1


def _other_array(rng: random.Random, file: h5py.File, name: str, values: np.ndarray) -> None:
    """Of another type or shape, with other values, or with a shape that it does not have."""
    match rng.choice(("type", "shape", "value", "promise")):
        case "type":
            with np.errstate(all="ignore"):
                numbers = values if values.dtype.kind in "iufb" else np.arange(values.size)
                file[name] = numbers.astype(rng.choice(KINDS_OF_NUMBERS))
        case "shape":
            shapes = (values[:0], values[:1], values[None], values.ravel(), values[..., None])
            file[name] = rng.choice(shapes)
        case "value":
            array = values.copy()
            if array.dtype.kind in "iuf":
                edges = (-1, 0, 1, 2, 127) if array.dtype.kind != "f" else (-1, np.nan, np.inf, 6e4)
                array.flat[rng.randrange(array.size)] = np.asarray(rng.choice(edges)).astype(
                    array.dtype
                )
            file[name] = array
        case "promise":
            shape = tuple(rng.choice((0, 1, 2**20, 2**40)) for _ in values.shape)
            file.create_dataset(name, shape, "f4", chunks=True, compression="gzip")


def _no_array(rng: random.Random, file: h5py.File, name: str, values: np.ndarray) -> None:
    """A link, a group, or an array whose values are in another file."""
    outside = Path(file.filename).parents[2] / OUTSIDE
    match rng.choice(("external", "soft", "group", "virtual", "raw")):
        case "external":
            file[name] = h5py.ExternalLink(
                rng.choice((f"{outside}/x.h5", "/etc/passwd")), "/images"
            )
        case "soft":
            file[name] = h5py.SoftLink(rng.choice((f"/{name}", "/no/such", "/")))
        case "group":
            file.create_group(name)
        case "virtual":
            layout = h5py.VirtualLayout(values.shape, "f4")
            layout[...] = h5py.VirtualSource(f"{outside}/x.h5", "images", values.shape)
            file.create_virtual_dataset(name, layout)
        case "raw":
            raw = [(f"{outside}/secret", 0, h5py.h5f.UNLIMITED)]
            file.create_dataset(name, (4,), "f4", external=raw)


def _write_hostile(
    rng: random.Random, path: Path, arrays: dict[str, Any], attributes: dict[str, Any]
) -> None:
    """An HDF5 file with some arrays and attributes made wrong, and bytes damaged then and now."""
    wrong = {name for name in arrays if rng.random() < 1 / len(arrays)}
    with h5py.File(path, "w", libver=rng.choice((None, ("v108", "v108"), "latest"))) as file:
        for name, values in arrays.items():
            if name not in wrong:
                file[name] = values
            elif rng.random() < 0.85:
                _hostile_array(rng, file, name, np.asarray(values))
        for name, value in attributes.items():
            if rng.random() < 0.9:
                file.attrs[name] = value
            else:
                file.attrs[name] = rng.choice(
                    (1, -1, "x", [1.5], np.zeros(3), h5py.Empty("f4"), "\x7f")
                )
    if rng.random() < 0.4:
        path.write_bytes(damage(rng, path.read_bytes()))


def _descriptors(rng: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    n, m = rng.choice((6, 12)), rng.choice((2, 4))
    draw = np.random.default_rng(rng.randrange(2**32))
    arrays = {
        "X": draw.random((n, m)).astype("f4"),
        "labels": np.arange(n) % 2,
        "predictions": np.arange(n)[::-1] % 2,
        "split": np.zeros(n, int),
        "feature_layer": np.zeros(m, int),
        "feature_channel": np.arange(m),
        "layer_names": np.array(["conv1"], object),
        "layer_types": np.array(["conv"], object),
        "layer_spatial": np.array([True]),
    }
    return arrays, {"descriptor": "vebi_text", "classes": ["a", "b"]}


def descriptor_file(rng: random.Random, folder: Path) -> Act:
    """`vebi select`, whose selections are certified."""
    _write_hostile(rng, folder / "in/x.h5", *_descriptors(rng))
    options = rng.sample(
        ["--nonnegative", "--scope=conv", "--labels=predictions"], rng.randrange(3)
    )
    odd = ("0", "-1", "nan", "inf", "1e300", "1e-320")
    mu = rng.choice(odd) if rng.random() < 0.1 else rng.choice(("1", "0.5"))

    def act() -> str:
        required("select", "in/x.h5", *options, "--mu", mu, "--out", "out")
        with open("out/selection.csv", newline="") as stream:  # noqa: PTH123
            gaps = [float(row["relative_gap"]) for row in csv.DictReader(stream)]
        with h5py.File("in/x.h5") as file:
            fair = np.abs(file["X"][:].astype(float)).max() <= 3
        return "" if gaps and (max(gaps) < 1e-6 or not fair) else f"gaps {gaps}"

    return act


def heatmaps(rng: random.Random, folder: Path) -> Act:
    """`vebi iou`, against the definition."""
    draw = np.random.default_rng(rng.randrange(2**32))
    maps, masks = draw.random((3, 4, 4)).astype("f4"), draw.random((3, 4, 4)) < 0.5
    more = {"image_index": np.array([2, 0, 1])} if rng.random() < 0.5 else {}
    which = rng.choice(("maps", "masks", "both"))
    for name, arrays in (("maps", {"heatmaps": maps, **more}), ("masks", {"masks": masks})):
        path = folder / f"in/{name}.h5"
        if which in (name, "both"):
            _write_hostile(rng, path, arrays, {})
        else:
            with h5py.File(path, "w") as file:
                for key, values in arrays.items():
                    file[key] = values

    def act() -> str:
        required("iou", "in/maps.h5", "in/masks.h5", "--thresholds", 11, "--out", "out")
        with open("out/iou_curve.csv", newline="") as stream:  # noqa: PTH123
            found = [float(row["mean_iou"]) for row in csv.DictReader(stream)]
        with h5py.File("in/maps.h5") as a, h5py.File("in/masks.h5") as b:
            values, truth = a["heatmaps"][:].astype(float), b["masks"][:].astype(bool)
            truth = truth[a["image_index"][:]] if "image_index" in a else truth
        above = [values >= step / 10 for step in range(11)]
        wanted = [((x & truth).sum((1, 2)) / (x | truth).sum((1, 2))).mean() for x in above]
        return "" if np.allclose(found, wanted, atol=1e-6) else f"{found} instead of {wanted}"

    return act


def dataset_file(rng: random.Random, folder: Path) -> Act:
    """A dataset.h5, and all that is in it."""
    arrays = {
        "images": np.zeros((4, 3, 3, 3), np.uint8),
        "labels": np.array([0, 1, 0, 1]),
        "split": np.array([0, 0, 1, 1]),
        "masks": np.ones((4, 3, 3), bool),
    }
    _write_hostile(rng, folder / "in/d.h5", arrays, {"classes": ["a", "b"]})

    def act() -> str:
        check_files("in/d.h5")
        data = open_dataset("in/d.h5")
        images = data.read("images")
        masks = data.read("masks") if data.has_masks else None
        fits = images.shape == (len(data), *data.image_shape)
        fits &= masks is None or masks.shape == images.shape[:3]
        return "" if fits and data.labels.max(initial=0) < len(data.classes) else "shapes differ"

    return act


def descriptors_of_a_run(rng: random.Random, folder: Path) -> Act:
    """A descriptors.h5 as the pipeline's jobs read it."""
    _write_hostile(rng, folder / "in/x.h5", *_descriptors(rng))

    def act() -> str:
        check_files("in/x.h5")
        found = open_descriptors("in/x.h5")
        rows = found.rows(np.arange(len(found.labels)))
        return (
            "" if rows.shape == (len(found.labels), len(found.feature_layer)) else "shapes differ"
        )

    return act


@cache
def _path_file(scratch: str) -> bytes:
    arrays, attributes = _descriptors(random.Random(0))
    with h5py.File(Path(scratch, "d.h5"), "w") as file:
        for name, values in arrays.items():
            file[name] = values
        file.attrs.update(attributes)
    select(Path(scratch, "d.h5"), [1.0], Path(scratch))
    return Path(scratch, "path.h5").read_bytes()


def path_file(rng: random.Random, folder: Path) -> Act:
    """A path.h5 with damaged bytes."""
    (folder / "in/path.h5").write_bytes(damage(rng, _path_file(str(folder.parent / "scratch"))))

    def act() -> str:
        check_files("in/path.h5")
        solution = read_solution("in/path.h5")
        weights = solution.weights_at(min(1.0, solution.mu_max))
        return "" if np.isfinite(weights).all() else "weights are not finite"

    return act


# --- images and folders of them ---


@cache
def _pictures() -> tuple[bytes, ...]:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 20, 3)).astype(np.uint8)
    colour, grey = Image.fromarray(pixels), Image.fromarray(pixels[..., 0])
    found = []
    for kind, image, options in (
        *((kind, colour, {}) for kind in ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM", "GIF")),
        ("JPEG", colour, {"progressive": True}),
        ("TIFF", colour, {"compression": "tiff_lzw"}),
        ("PNG", grey.convert("P"), {}),
        ("PNG", grey.convert("LA"), {}),
        ("PNG", Image.fromarray(pixels[..., 0].astype(np.uint16) * 200), {}),
        ("TIFF", grey.convert("F"), {}),
    ):
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        found.append(stream.getvalue())
    return tuple(found)


def picture(rng: random.Random, folder: Path) -> Act:
    """An image file, as image and as mask."""
    name = rng.choice(("x.jpg", "x.png", "x.tif"))
    (folder / "in" / name).write_bytes(some_bytes(rng, rng.choice(_pictures())))
    decoding = Decoding(8, max_pixels=1_000_000)

    def act() -> str:
        try:
            pixels, mask = (read(Path("in", name), decoding) for read in (read_pixels, read_mask))
        except UnreadableImage as error:
            if name not in str(error) or len(str(error)) > 1000:
                return f"not clear: {error}"
            raise Refused from error
        return "" if pixels.shape == (8, 8, 3) and mask.shape == (8, 8) else "shapes differ"

    return act


def image_folder(rng: random.Random, folder: Path) -> Act:
    """A folder of images with its lists."""
    root = folder / "in/photos"
    for label in ("a", "b"):
        (root / label).mkdir(parents=True)
        for number in range(3):
            content = rng.choice(_pictures())
            content = damage(rng, content) if rng.random() < 0.2 else content
            (root / label / f"{number}.png").write_bytes(content)
    if rng.random() < 0.3:
        (root / "a/link.png").symlink_to(
            rng.choice((f"../../../../{OUTSIDE}/x.h5", "/etc/passwd", "link.png", "/dev/zero"))
        )
    if rng.random() < 0.2:
        (root / rng.choice(("é", "a b", "$x$", "-x", ".x", "a\n"))).mkdir()
    layout = rng.choice(("class_folders", "csv", "csv"))
    rows = ["path,label,split"]
    rows += [f"{c}/{i}.png,{c},{'train' if i else 'test'}" for c in "ab" for i in range(3)]
    text = damage_text(rng, "\n".join(rows))
    (root / "labels.csv").write_bytes(some_bytes(rng, text.encode("utf-8", "surrogatepass")))
    corrupt = rng.choice(("error", "skip"))

    def act() -> str:
        config = ImageFolderConfig.model_validate(
            {
                **{"kind": "image_folder", "path": str(root), "layout": layout, "n_classes": 2},
                **{"size": 8, "on_corrupt": corrupt, "max_megapixels": 1.0},
            }
        )
        write_index("out/d.h5", index_images(config))
        data = open_dataset("out/d.h5")
        if not {0, 1} == set(data.labels) == set(data.split):
            return "a class or a split is empty"
        return "" if data.read("images").shape == (len(data), 8, 8, 3) else "shapes differ"

    return act


# --- weights ---


@cache
def _model(scratch: str) -> tuple[bytes, bytes]:
    spec = NetSpec("matconvnet", (1, 28, 28), 2, 1.0, kwargs={})
    net = build(spec)
    save_model(Path(scratch, "model.pt"), net, spec, ["a", "b"])
    torch.save({"w": torch.ones(3, 2), "b": torch.zeros(2)}, Path(scratch, "state.pt"))
    return tuple(Path(scratch, name).read_bytes() for name in ("model.pt", "state.pt"))


def weights(rng: random.Random, folder: Path) -> Act:
    """A file of torch.save: bytes damaged, or a pickle that runs code."""
    whole, state = _model(str(folder.parent / "scratch"))
    content = some_bytes(rng, rng.choice((whole, state, state)))
    if rng.random() < 0.1:
        content = f"cos\nsystem\n(S'touch ../{OUTSIDE}/ran'\ntR.".encode()
    (folder / "in/w.pt").write_bytes(content)
    read: Callable[[Path], Any] = rng.choice((read_weights, load_model))

    def act() -> str:
        read(Path("in/w.pt"))
        return ""

    return act


@cache
def _mat() -> tuple[bytes, ...]:
    layers = np.empty((1, 2), object)
    parts = np.empty((1, 2), object)
    parts[0, 0], parts[0, 1] = np.ones((3, 3, 1, 2), "f4"), np.zeros((1, 2), "f4")
    layers[0, 0] = {"name": "c", "type": "conv", "weights": parts, "stride": 1.0, "pad": 0.0}
    layers[0, 1] = {"name": "r", "type": "relu"}
    found = []
    for packed in (False, True):
        stream = io.BytesIO()
        savemat(stream, {"layers": layers}, do_compression=packed)
        # Its first bytes say when it was made, and a case is made from its number alone.
        found.append(b"MATLAB 5.0".ljust(116) + stream.getvalue()[116:])
    return tuple(found)


def matlab(rng: random.Random, folder: Path) -> Act:
    """A .mat of MatConvNet."""
    (folder / "in/w.mat").write_bytes(some_bytes(rng, rng.choice(_mat())))

    def act() -> str:
        read_matconvnet(Path("in/w.mat"))
        return ""

    return act


# --- tables, manifests, archives ---


def _table(name: str, n: int = 3) -> str:
    table = STUDY_TABLES[name]
    rows = [table.columns]
    for row in range(n):
        rows.append([str(row) if c in table.text else f"{0.1 * row:.6f}" for c in table.columns])
    return "\n".join(",".join(row) for row in rows) + "\n"


def tables(rng: random.Random, folder: Path) -> Act:
    """`vebi diff` of tables with themselves, and with others: the same from both sides."""
    name = rng.choice(("training", "ablation", "iou_auc", "selection"))
    text = damage_text(rng, _table(name)).encode("utf-8", "surrogatepass")
    same = rng.random() < 0.5
    for side in "ab":
        (folder / f"in/{side}/tables").mkdir(parents=True)
        content = text if same or side == "a" else _table(name).encode()
        (folder / f"in/{side}/tables/{name}.csv").write_bytes(content)

    def act() -> str:
        codes = [command("diff", f"in/{a}", f"in/{b}") for a, b in ("ab", "ba")]
        if codes == [2, 2]:
            raise Refused
        if codes[0] != codes[1] or codes[0] not in (0, 1) or (same and codes[0]):
            return f"exit codes {codes}, {'same' if same else 'other'} bytes"
        return ""

    return act


def claims(rng: random.Random, folder: Path) -> Act:
    """`vebi claims` of a table, from a run of ours."""
    text = (ROOT / "results/reference/mnist/tables/claims.csv").read_text(encoding="utf-8")
    text = "\n".join(text.split("\n")[: rng.choice((2, 4, 8))]) + "\n"
    assert text.startswith(",".join(CLAIMS_TABLE.columns[:3]))
    (folder / "in/claims.csv").write_bytes(damage_text(rng, text).encode("utf-8", "surrogatepass"))
    markdown = ["--markdown"] if rng.random() < 0.5 else []

    def act() -> str:
        required("claims", "in/claims.csv", *markdown)
        return ""

    return act


@cache
def _manifest(scratch: str) -> tuple[str, bytes]:
    run = Path(scratch, "run")
    (run / "tables").mkdir(parents=True, exist_ok=True)
    (run / "tables/training.csv").write_text(_table("training"))
    config = parse_config(_config()).model_dump(mode="json")
    manifest = build_manifest(
        run, config=config, package_digest="0", seeds=[0], device="cpu", cores=1
    )
    manifest["versions"] = {"python": "3"}
    write_manifest(run / "manifest.json", manifest)
    return (run / "manifest.json").read_text(), (run / "tables/training.csv").read_bytes()


def manifest(rng: random.Random, folder: Path) -> Act:
    """`vebi verify`, also deleting what is broken, `vebi crate`, and `vebi explain --run`."""
    text, table = _manifest(str(folder.parent / "scratch"))
    run = folder / "out/run"
    (run / "tables").mkdir(parents=True)
    (run / "tables/training.csv").write_bytes(table if rng.random() < 0.5 else damage(rng, table))
    if rng.random() < 0.4:
        (run / "link").symlink_to(f"../../../{OUTSIDE}")
    values = json.loads(text)
    if rng.random() < 0.5:
        outside = folder.parent / OUTSIDE
        names = (
            f"../../../{OUTSIDE}/secret",
            f"{outside}/secret",
            "link/secret",
            ".",
            "",
            "\0",
            "tables",
        )
        name = rng.choice(names)
        values["results"][name] = {"bytes": 1, "sha256": rng.choice(("0" * 64, "", "x"))}
        checksums = run / ".checksums/tables"
        checksums.mkdir(parents=True)
        (checksums / "training.csv.sha256").write_text(f"{'0' * 64}  {name}\n".replace("\0", "0"))
    if rng.random() < 0.6:
        values = damage_values(rng, values)
    text = json.dumps(values, ensure_ascii=False, default=str)
    text = damage_text(rng, text) if rng.random() < 0.3 else text
    (run / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    (folder / "in/x.png").write_bytes(_pictures()[0])
    arguments = rng.choice(
        (
            ["verify", "out/run"],
            ["verify", "out/run", "--remove-broken"],
            ["verify", "out/run", "--remove-broken"],
            ["crate", "out/run", "out/crate"],
            ["crate", "out/run", "out/crate.zip", "--everything"],
            ["explain", "in/x.png", "--run", "out/run", "--dataset", "digits", "--model", "m"],
        )
    )

    def act() -> str:
        code = command(*arguments)
        if code == 2:
            raise Refused
        return "" if code == 0 or (code, arguments[0]) == (1, "verify") else f"exit code {code}"

    return act


MEMBERS = (
    *("tables/training.csv", "tables/training.csv", f"../../{OUTSIDE}/new", "/tmp/vebi-fuzz-new"),
    *("a/../../b", "", ".", "x" * 300, "é", "a\0b", "C:\\x", "manifest.json", "tables"),
)


def _zip(rng: random.Random) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for _ in range(rng.choice((1, 2, 5))):
            content = rng.choice((_table("training").encode(), b"", bytes(10**7)))
            member = zipfile.ZipInfo("x")
            member.filename = rng.choice(MEMBERS)
            member.compress_type = zipfile.ZIP_DEFLATED
            if rng.random() < 0.2:
                member.external_attr = 0o120777 << 16
                content = f"../{OUTSIDE}/secret".encode()
            archive.writestr(member, content)
    return stream.getvalue()


def _tar(rng: random.Random) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for _ in range(rng.choice((1, 2, 5))):
            member = tarfile.TarInfo(rng.choice(MEMBERS).replace("\0", ""))
            content = _table("training").encode()
            member.type = rng.choice(
                (
                    tarfile.REGTYPE,
                    tarfile.REGTYPE,
                    tarfile.SYMTYPE,
                    tarfile.LNKTYPE,
                    tarfile.CHRTYPE,
                )
            )
            member.linkname = rng.choice((f"../{OUTSIDE}/secret", "/etc/passwd", "tables"))
            member.size = len(content) if member.type == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(content) if member.size else None)
    return stream.getvalue()


def archive(rng: random.Random, folder: Path) -> Act:
    """`vebi diff` of an archive with a folder."""
    kind = rng.choice(("zip", "zip", "tar", "tar.gz"))
    content = _zip(rng) if kind == "zip" else _tar(rng)
    content = gzip.compress(content, mtime=0) if kind == "tar.gz" else content
    content = damage(rng, content) if rng.random() < 0.4 else content
    path = f"in/a.{kind}"
    (folder / path).write_bytes(content)
    (folder / "in/b/tables").mkdir(parents=True)
    (folder / "in/b/tables/training.csv").write_text(_table("training"))

    def act() -> str:
        code = command("diff", path, "in/b", "--html", "out/page.html")
        if code == 2:
            raise Refused
        return "" if code in (0, 1) else f"exit code {code}"

    return act


KINDS: dict[str, Kind] = {
    one.__name__: one
    for one in (
        *(configuration, descriptor_file, heatmaps, dataset_file, descriptors_of_a_run, path_file),
        *(picture, image_folder, weights, matlab, tables, claims, manifest, archive),
    )
}


def prepare(scratch: Path) -> None:
    """Make what is damaged, once: whole files of every kind; and import what the commands import."""
    for name in (
        *("generated", "diff.folders", "diff.isolated", "diff.html", "claims.run", "run.crate"),
        *(
            "run.manifest",
            "explanation.image_files",
            "studies.iou.compare_files",
            "selection.tables",
        ),
    ):
        importlib.import_module(f"vebi.{name}")
    _config()
    _pictures()
    _mat()
    _path_file(str(scratch))
    _model(str(scratch))
    _manifest(str(scratch))
    data = Images(np.zeros((2, 2, 2, 1), np.uint8), np.arange(2), np.arange(2), "ab")
    write_dataset(scratch / "x.h5", data)
    if not _pictures():
        raise VebiError("no images were made.")
