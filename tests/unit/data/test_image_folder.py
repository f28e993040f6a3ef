"""Image folders from real files on disk to an index, and from there to batches."""

import re

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vebi.config.datasets import ImageFolderConfig
from vebi.data.dataset import TEST, TRAIN, open_dataset, write_index
from vebi.data.decoding import Decoding, read_pixels
from vebi.data.image_folder import choose_classes, index_images, list_images, split_and_limit
from vebi.data.listing import Listed
from vebi.diff.arrays import compare_hdf5
from vebi.diff.tolerances import read_tolerances
from vebi.io.errors import VebiError

# As shipped in config/paper.yaml, in the order of their wnids.
CATS = {
    "n02123045": "tabby",
    "n02123159": "tiger cat",
    "n02125311": "cougar",
}


def write_jpeg(path, key, size=(40, 30), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(key).integers(0, 256, (size[1] // 5, size[0] // 5, 3), np.uint8)
    Image.fromarray(pixels).resize(size).save(path, "JPEG", **options)
    return path


def configure(path, **keys):
    return ImageFolderConfig(
        **{"kind": "image_folder", "path": str(path), "layout": "imagenet", "size": 16, **keys}
    )


def load(folder, config):
    write_index(folder / "dataset.h5", index_images(config))
    return open_dataset(folder / "dataset.h5")


@pytest.fixture
def imagenet(tmp_path):
    """Sixty JPEGs in ImageNet's own layout and names: four classes, flat validation images."""
    root = tmp_path / "ilsvrc12"
    wnids = [*CATS, "n01440764"]
    number = 0
    for k, wnid in enumerate(wnids):
        for i in range(10):
            write_jpeg(root / f"train/{wnid}/{wnid}_{i * 37 + 2}.JPEG", [k, i])
    for k in range(4):
        for i in range(5):
            number += 1
            write_jpeg(root / f"val/ILSVRC2012_val_{number:08d}.JPEG", [k, 100 + i])
    lines = [wnid for wnid in wnids for _ in range(5)]
    (root / "val.txt").write_text("\n".join(lines))
    return root


def test_imagenet_from_files_to_batches(imagenet, tmp_path):
    config = configure(imagenet, ground_truth="val.txt", n_classes=4)
    dataset = load(tmp_path, config)
    assert len(dataset) == 60
    # Sorted by wnid, the order of the outputs of networks trained elsewhere.
    assert dataset.classes == dataset.class_ids == ("n01440764", *CATS)
    assert dataset.image_shape == (16, 16, 3)
    assert not dataset.has_masks
    assert np.bincount(dataset.labels[dataset.indices(TRAIN)]).tolist() == [10] * 4
    assert np.bincount(dataset.labels[dataset.indices(TEST)]).tolist() == [5] * 4
    with h5py.File(dataset.path) as file:
        assert "images" not in file
        files = [name.decode() for name in file["file"][:]]
    assert files[10] == "train/n02123045/n02123045_113.JPEG"
    assert files[40] == "val/ILSVRC2012_val_00000016.JPEG"
    expected = np.stack([read_pixels(imagenet / name, Decoding(16)) for name in files])
    order = np.random.default_rng(0).permutation(60)
    for indices in (np.arange(60), dataset.indices(TEST), order, np.array([7, 7, 3])):
        for batch_size in (1, 7, 64):
            parts = list(dataset.batches(indices, batch_size))
            assert np.array_equal(np.concatenate([i for i, _ in parts]), indices)
            assert np.array_equal(np.concatenate([x for _, x in parts]), expected[indices])
            assert max(len(i) for i, _ in parts) <= batch_size
    assert np.array_equal(dataset.read("images"), expected)
    assert np.array_equal(dataset.images_at(np.array([5, 1])), expected[[5, 1]])
    assert list(dataset.batches(np.array([], int), 4)) == []


def test_chosen_classes_keep_their_order_and_get_names(imagenet, tmp_path):
    (imagenet / "names.csv").write_text(
        "id,name\n" + "\n".join(f"{k},{v}" for k, v in CATS.items())
    )
    wanted = list(reversed(CATS))
    config = configure(imagenet, ground_truth="val.txt", classes=wanted, class_names="names.csv")
    assert config.n_classes == 3
    dataset = load(tmp_path, config)
    assert dataset.class_ids == tuple(wanted)
    assert dataset.classes == ("cougar", "tiger cat", "tabby")
    assert len(dataset) == 45


def test_the_index_is_the_same_bytes_wherever_the_folder_lies(imagenet, tmp_path, monkeypatch):
    config = configure("ilsvrc12", ground_truth="val.txt", n_classes=4)
    monkeypatch.setenv("VEBI_DATA", str(tmp_path))
    write_index(tmp_path / "a.h5", index_images(config))
    moved = tmp_path / "elsewhere/ilsvrc12"
    moved.parent.mkdir()
    imagenet.rename(moved)
    monkeypatch.setenv("VEBI_DATA", str(moved.parent))
    write_index(tmp_path / "b.h5", index_images(config))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    # An index from before the folder moved still finds it.
    assert len(open_dataset(tmp_path / "a.h5").images_at(np.arange(3))) == 3
    monkeypatch.delenv("VEBI_DATA")
    with pytest.raises(VebiError, match=r"'ilsvrc12' is not there.*VEBI_DATA"):
        open_dataset(tmp_path / "a.h5").images_at(np.arange(3))


@pytest.fixture
def odd(tmp_path):
    """A folder per class with every kind of file that photo collections hold."""
    root = tmp_path / "photos"
    for k, name in enumerate(("Tōkyō", "São Paulo")):
        for i in range(4):
            write_jpeg(root / name / f"größe {i}.jpg", [k, i])
    folder = root / "Tōkyō"
    scene = Image.open(folder / "größe 0.jpg")
    scene.convert("CMYK").save(folder / "cmyk.jpg")
    scene.convert("L").save(folder / "grey.jpg")
    scene.convert("P").save(folder / "palette.png")
    scene.save(folder / "moving.gif", save_all=True, append_images=[scene.rotate(90)])
    exif = Image.Exif()
    exif[0x0112] = 6
    scene.save(folder / "turned.jpg", exif=exif)
    scene.save(folder / "png inside.JPEG", "PNG")
    (folder / "Thumbs.db").write_bytes(b"no image, no suffix of one")
    return root


GOOD = 8 + 6


def test_every_kind_of_file_is_read(odd, tmp_path):
    dataset = load(tmp_path, configure(odd, layout="class_folders", n_classes=2, verify="decode"))
    assert len(dataset) == GOOD
    assert dataset.classes == ("São Paulo", "Tōkyō")
    assert dataset.read("images").shape == (GOOD, 16, 16, 3)


def spoil(folder):
    (folder / "São Paulo/empty.jpg").write_bytes(b"")
    (folder / "São Paulo/text.jpg").write_text("no image")
    whole = write_jpeg(folder / "São Paulo/cut.jpg", [9], (400, 300)).read_bytes()
    (folder / "São Paulo/cut.jpg").write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(("verify", "bad"), [("header", 2), ("decode", 3)])
def test_corrupt_files_are_all_named_at_once(odd, verify, bad):
    spoil(odd)
    config = configure(odd, layout="class_folders", n_classes=2, verify=verify)
    with pytest.raises(VebiError) as raised:
        index_images(config)
    message = str(raised.value)
    assert message.startswith(f"{bad} images of {odd} can't be used:")
    assert "São Paulo/empty.jpg (it is empty)" in message
    assert "São Paulo/text.jpg (no image of a known kind" in message
    assert ("cut.jpg (image file is truncated" in message) == (verify == "decode")
    assert "on_corrupt: skip" in message


def test_skipped_files_are_logged_and_written_down(odd, tmp_path, caplog):
    spoil(odd)
    keys = {"layout": "class_folders", "n_classes": 2, "on_corrupt": "skip"}
    dataset = load(tmp_path, configure(odd, verify="decode", **keys))
    assert len(dataset) == GOOD
    with h5py.File(dataset.path) as file:
        skipped = [name.decode() for name in file["skipped_file"][:]]
        assert b"truncated" in file["skipped_reason"][skipped.index("São Paulo/cut.jpg")]
    assert sorted(skipped) == [f"São Paulo/{name}.jpg" for name in ("cut", "empty", "text")]
    for name in skipped:
        assert name in caplog.text
    # Without decoding, the truncated one is found when it is needed, and named.
    dataset = load(tmp_path, configure(odd, **keys))
    assert len(dataset) == GOOD + 1
    with pytest.raises(VebiError, match=r"cut\.jpg.*truncated"):
        dataset.read("images")


def test_many_corrupt_files_make_a_short_message(odd):
    for i in range(50):
        (odd / f"Tōkyō/bad{i:02d}.jpg").write_bytes(b"")
    with pytest.raises(VebiError, match="50 images of ") as raised:
        index_images(configure(odd, layout="class_folders", n_classes=2))
    assert str(raised.value).count("it is empty") == 20
    assert "... and 30 more" in str(raised.value)


def test_a_file_that_changed_is_named(odd, tmp_path):
    dataset = load(tmp_path, configure(odd, layout="class_folders", n_classes=2))
    write_jpeg(odd / "Tōkyō/größe 2.jpg", [5], (80, 80))
    with pytest.raises(VebiError, match=r"größe 2\.jpg has .* bytes, but had .* --forcerun"):
        dataset.read("images")


def test_masks_are_read_beside_their_images(tmp_path):
    root, rng = tmp_path / "set", np.random.default_rng(1)
    inside = {}
    for name in ("train/a/1", "train/b/2", "val/a/3", "val/b/4"):
        write_jpeg(root / f"{name}.jpg", [len(inside)], (32, 32))
        inside[name] = rng.random((16, 16)) < 0.4
    for name, mask in inside.items():
        # Two with folders like the images', two with nothing but the stem.
        place = name if name.startswith("train") else name.split("/")[-1]
        target = root / f"masks/{place}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).resize((32, 32), Image.Resampling.NEAREST).save(target)
    config = configure(root, layout="split_folders", n_classes=2, masks="masks")
    assert config.has_masks
    dataset = load(tmp_path, config)
    assert dataset.has_masks
    assert np.array_equal(dataset.read("masks"), np.stack(list(inside.values())))
    rows = dataset.indices(TEST)
    found = next(dataset.batches(rows, 4, "masks"))[1]
    assert found.dtype == bool
    assert np.array_equal(found, np.stack([inside["val/a/3"], inside["val/b/4"]]))

    Image.new("1", (32, 31)).save(root / "masks/3.png")
    with pytest.raises(VebiError, match=r"its mask masks/3\.png is 32 x 31, the image 32 x 32"):
        index_images(config)
    (root / "masks/3.png").unlink()
    with pytest.raises(VebiError, match=r"1 of 4 images have no mask.*val/a/3\.jpg"):
        index_images(config)


@pytest.mark.parametrize("spelling", ["{}", "./{}", "{}/", ".//{}/."])
@pytest.mark.parametrize(
    ("layout", "folder"),
    [("class_folders", "masks"), ("split_folders", "train/masks"), ("imagenet", "train/masks")],
)
def test_the_folder_of_the_masks_is_no_class(tmp_path, layout, folder, spelling):
    images = ["a/1.jpg", "masks of old/1.jpg"]
    if layout != "class_folders":
        images = [f"{split}/{image}" for split in ("train", "val") for image in images]
    for file in (*images, f"{folder}/1.png", f"{folder}/inner/1.png"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"x")
    config = configure(tmp_path, layout=layout, masks=spelling.format(folder), n_classes=2)
    assert [item.file for item in list_images(tmp_path, config)] == images


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "webp"])
def test_turned_images_fit_their_upright_masks(tmp_path, kind):
    root, turned = tmp_path / "set", {5, 6, 7, 8}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        size = (20, 30) if orientation in turned else (30, 20)
        for folder, side in (("a", 0), ("b", 255)):
            target = root / f"{folder}/{orientation}.{kind}"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, (side, 9, 9)).save(target, exif=exif)
            mask = root / f"masks/{folder}/{orientation}.png"
            mask.parent.mkdir(parents=True, exist_ok=True)
            Image.new("1", (30, 20), 1).save(mask)
    config = configure(root, layout="class_folders", n_classes=2, masks="masks", verify="decode")
    dataset = load(tmp_path, config)
    with h5py.File(dataset.path) as file:
        assert file["file_size"][:].tolist() == [[20, 30]] * 16
    assert dataset.read("masks").all()


def test_a_data_set_without_masks_says_so(odd, tmp_path):
    dataset = load(tmp_path, configure(odd, layout="class_folders", n_classes=2))
    with pytest.raises(VebiError, match="has no masks: give its data set the key `masks`"):
        dataset.read("masks")
    with pytest.raises(VebiError, match="has no masks"):
        next(dataset.batches(np.arange(2), 2, "masks"))


def test_csv_data_set_and_a_file_listed_twice(odd, tmp_path):
    files = sorted(path for path in odd.rglob("größe*.jpg"))
    rows = [
        f"{path.relative_to(odd)},{path.parent.name},{'train' if i % 4 else 'test'}"
        for i, path in enumerate(files)
    ]
    table = odd / "labels.csv"
    table.write_text("\n".join(["path,label,split", *rows]))
    dataset = load(tmp_path, configure(odd, layout="csv", n_classes=2))
    assert len(dataset.indices(TEST)) == 2
    table.write_text("\n".join(["path,label,split", *rows, f"./{rows[1]}"]))
    with pytest.raises(
        VebiError, match=r"1 files are listed more than once: São Paulo/größe 1\.jpg"
    ):
        index_images(configure(odd, layout="csv", n_classes=2))
    table.write_text("\n".join(["path,label,split", *rows, "gone.jpg,Tōkyō,train"]))
    with pytest.raises(VebiError, match=r"gone\.jpg \(no such file\)"):
        index_images(configure(odd, layout="csv", n_classes=2))


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"n_classes": 3}, "has 2 classes.*n_classes is 3.*list the classes"),
        ({"classes": ["Tōkyō", "Sao Paulo"]}, "1 of the 2 classes.*Did you mean 'São Paulo'"),
    ],
)
def test_wrong_classes_are_named(odd, keys, says):
    with pytest.raises(VebiError, match=says):
        index_images(configure(odd, layout="class_folders", **keys))


def test_a_class_without_test_images_is_named(imagenet):
    for i in range(16, 21):
        (imagenet / f"val/ILSVRC2012_val_{i:08d}.JPEG").unlink()
    with pytest.raises(VebiError, match="1 of 4 classes have no test images: n01440764"):
        index_images(configure(imagenet, ground_truth="val.txt", n_classes=4))


def test_names_that_are_no_text_are_named(odd):
    (odd / "Tōkyō" / "bad\udcff.jpg").write_bytes(b"x")
    with pytest.raises(VebiError, match=re.escape(r"bad\udcff.jpg")):
        index_images(configure(odd, layout="class_folders", n_classes=2))


GROUPS = st.dictionaries(st.sampled_from("abcd"), st.integers(2, 12), min_size=1)


@given(GROUPS, st.integers(0, 5), st.floats(0.05, 0.95), st.integers(1, 6))
def test_drawn_splits_and_limits(sizes, seed, fraction, limit):
    listed = [Listed(f"{k}/{i}", k, None) for k, n in sizes.items() for i in range(n)]
    none = {TRAIN: None, TEST: None}
    whole = split_and_limit(listed, seed, fraction, none)
    assert sorted(item.file for item in whole) == sorted(item.file for item in listed)
    for k, n in sizes.items():
        n_test = sum(item.split == TEST for item in whole if item.class_id == k)
        assert 1 <= n_test <= n - 1
        assert abs(n_test - fraction * n) <= 1
    # Another order of listing, fewer classes or a limit draw the same images.
    assert set(split_and_limit(listed[::-1], seed, fraction, none)) == set(whole)
    one = split_and_limit([x for x in listed if x.class_id == "a"], seed, fraction, none)
    assert set(one) == {item for item in whole if item.class_id == "a"}
    few = split_and_limit(listed, seed, fraction, {TRAIN: limit, TEST: limit})
    more = split_and_limit(listed, seed, fraction, {TRAIN: limit + 1, TEST: limit})
    assert set(few) <= set(more) <= set(whole)
    for k in sizes:
        for split in (TRAIN, TEST):
            there = sum((item.class_id, item.split) == (k, split) for item in whole)
            kept = sum((item.class_id, item.split) == (k, split) for item in few)
            assert kept == min(limit, there)


def test_all_classes_are_sorted_and_chosen_ones_are_not():
    assert choose_classes(["b", "a", "b"], None, 2) == ["a", "b"]
    assert choose_classes(["b", "a", "c"], ["c", "a"], 2) == ["c", "a"]


def test_an_abandoned_iteration_ends_its_threads(imagenet, tmp_path):
    import threading

    dataset = load(tmp_path, configure(imagenet, ground_truth="val.txt", n_classes=4))
    before = threading.active_count()
    for _ in range(3):
        next(dataset.batches(np.arange(60), 4))
    assert threading.active_count() == before


def test_indices_outside_are_refused(imagenet, tmp_path):
    dataset = load(tmp_path, configure(imagenet, ground_truth="val.txt", n_classes=4))
    for bad in (60, -1):
        with pytest.raises(VebiError, match=f"images 0 to 59, but number {bad}"):
            dataset.images_at(np.array([0, bad]))


def test_an_index_that_points_outside_is_not_followed(imagenet, tmp_path):
    dataset = load(tmp_path, configure(imagenet, ground_truth="val.txt", n_classes=4))
    with h5py.File(dataset.path, "r+") as file:
        file["file"][0] = b"../../../etc/passwd"
    with pytest.raises(VebiError, match="not a path below"):
        open_dataset(dataset.path).images_at(np.array([0]))


@pytest.mark.parametrize("key", ["root", "shape", "resize", "max_pixels", "classes"])
def test_a_damaged_index_is_named(imagenet, tmp_path, key):
    dataset = load(tmp_path, configure(imagenet, ground_truth="val.txt", n_classes=4))
    with h5py.File(dataset.path, "r+") as file:
        del file.attrs[key]
    with pytest.raises(VebiError, match="can't be read as a data set"):
        open_dataset(dataset.path)


def test_two_indices_can_be_compared(imagenet, tmp_path, root):
    config = configure(imagenet, ground_truth="val.txt", n_classes=4)
    tolerances = read_tolerances(root / "config/tolerances.tsv")
    write_index(tmp_path / "a.h5", index_images(config))
    name = "data/ilsvrc12/dataset.h5"
    same = compare_hdf5(name, tmp_path / "a.h5", tmp_path / "a.h5", tolerances)
    assert not same.findings
    victim = imagenet / "train/n01440764/n01440764_2.JPEG"
    write_jpeg(victim, [77], (90, 90))
    write_index(tmp_path / "b.h5", index_images(config))
    found = compare_hdf5(name, tmp_path / "a.h5", tmp_path / "b.h5", tolerances).findings
    assert {finding.column for finding in found} == {"/file_bytes", "/file_size", "/@digest"}


def test_a_network_is_described_from_files(imagenet, tmp_path):
    from vebi.descriptors import describe, open_descriptors
    from vebi.network.passes import to_network_input

    dataset = load(tmp_path, configure(imagenet, ground_truth="val.txt", n_classes=4))
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 5), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(576, 4)
    )
    describe(net, dataset, tmp_path / "x.h5", batch_size=13)
    found = open_descriptors(tmp_path / "x.h5")
    with torch.no_grad():
        expected = net(to_network_input(dataset.read("images"))).argmax(1)
    assert np.array_equal(found.predictions, expected)
