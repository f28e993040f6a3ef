"""Folders, CSV files and ImageNet's ground truth: what is read, and how problems are named."""

import csv
import io
import os
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from vebi.data.dataset import TEST, TRAIN
from vebi.data.listing import (
    Listed,
    list_class_folders,
    list_csv,
    list_imagenet,
    list_split_folders,
    name_classes,
    read_class_names,
    read_ground_truth,
    read_meta,
    read_rows,
)
from vebi.data.roots import check_inside, find_root
from vebi.io.errors import VebiError


def touch(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"x")


def write_meta(path):
    """The devkit's table as it is: 1,000 classes first (here three), then their ancestors."""
    kinds = [("ILSVRC2012_ID", "i4"), ("WNID", "O"), ("words", "O"), ("gloss", "O")]
    kinds += [("num_children", "i4"), ("children", "O"), ("wordnet_height", "i4")]
    rows = [
        (1, "n02119789", "kit fox, Vulpes macrotis", "a fox", 0, 0, 0),
        (2, "n02100735", "English setter", "a dog", 0, 0, 0),
        (3, "n01440764", "tench, Tinca tinca", "a fish", 0, 0, 0),
        (1001, "n00001740", "entity", "what is", 3, np.array([1, 2, 3]), 19),
    ]
    table = np.zeros((len(rows), 1), dtype=kinds)
    for i, row in enumerate(rows):
        table[i, 0] = row
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"synsets": table})


def test_a_folder_per_split_and_class(tmp_path):
    touch(
        tmp_path,
        "train/b/2.jpg",
        "train/b/10.JPEG",
        "train/a/sub/x.png",
        "train/a/.hidden.jpg",
        "train/a/notes.txt",
        "train/stray.jpg",
        "val/a/1.webp",
        "other/c/1.jpg",
    )
    assert list_split_folders(tmp_path, "train", "val") == [
        Listed("train/a/sub/x.png", "a", TRAIN),
        Listed("train/b/10.JPEG", "b", TRAIN),
        Listed("train/b/2.jpg", "b", TRAIN),
        Listed("val/a/1.webp", "a", TEST),
    ]


def test_a_folder_per_class(tmp_path):
    touch(tmp_path, "b/1.jpg", "a/1.jpg")
    assert list_class_folders(tmp_path) == [
        Listed("a/1.jpg", "a", None),
        Listed("b/1.jpg", "b", None),
    ]


def test_a_linked_class_folder_is_followed(tmp_path):
    touch(tmp_path, "elsewhere/1.jpg")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a").symlink_to(tmp_path / "elsewhere")
    assert list_class_folders(tmp_path / "data") == [Listed("a/1.jpg", "a", None)]


def test_a_linked_folder_in_a_class_is_followed(tmp_path):
    touch(tmp_path, "elsewhere/inner/2.jpg", "data/a/1.jpg", "data/a/z/3.jpg")
    (tmp_path / "data/a/more").symlink_to(tmp_path / "elsewhere")
    files = [item.file for item in list_class_folders(tmp_path / "data")]
    assert files == ["a/1.jpg", "a/more/inner/2.jpg", "a/z/3.jpg"]


@pytest.mark.parametrize("target", ["a", "a/inner", ".", "elsewhere"])
def test_a_folder_that_a_class_holds_twice_is_refused(tmp_path, target):
    touch(tmp_path, "a/inner/1.jpg", "elsewhere/2.jpg")
    (tmp_path / "a/link").symlink_to(tmp_path / target)
    (tmp_path / "a/second").symlink_to(tmp_path / target)
    with pytest.raises(VebiError, match=r"a/\S+ is the same folder as \S+, by a link"):
        list_class_folders(tmp_path)


def test_a_link_to_nothing_in_a_class_is_refused(tmp_path):
    touch(tmp_path, "a/1.jpg", "notes.txt")
    (tmp_path / "a/notes").symlink_to(tmp_path / "notes.txt")
    (tmp_path / "a/.#lock").symlink_to("nobody@nowhere")
    assert len(list_class_folders(tmp_path)) == 1
    (tmp_path / "a/more").symlink_to("../not mounted")
    with pytest.raises(
        VebiError, match=r"a/more is a link to \.\./not mounted, which is not there"
    ):
        list_class_folders(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", ["a", "a/inner", "."])
def test_folders_that_can_not_be_read_are_no_empty_ones(tmp_path, name):
    touch(tmp_path, "a/inner/1.jpg", "b/1.jpg")
    (tmp_path / name).chmod(0)
    try:
        with pytest.raises(VebiError, match="can't be read"):
            list_class_folders(tmp_path)
    finally:
        (tmp_path / name).chmod(0o700)


def test_missing_and_empty_folders_say_what_is_there(tmp_path):
    touch(tmp_path, "training/a/1.jpg", "val/readme.txt")
    with pytest.raises(VebiError, match=r"train is not there.*training, val.*`train`"):
        list_split_folders(tmp_path, "train", "val")
    with pytest.raises(VebiError, match="no folder with images in it"):
        list_split_folders(tmp_path, "training", "val")


VALIDATION = [f"val/ILSVRC2012_val_{i:08d}.JPEG" for i in range(1, 5)]
TRAINING = ["train/n01440764/n01440764_10026.JPEG", "train/n02119789/n02119789_3.JPEG"]
WNIDS = ["n01440764", "n02119789", "n02100735", "n01440764"]


def ground_truths(root):
    """The same four labels in each form that they are handed out in."""
    write_meta(root / "devkit/data/meta.mat")
    (root / "devkit/data/ILSVRC2012_validation_ground_truth.txt").write_text("3\n1\n2\n3\n")
    (root / "wnids.txt").write_text("\n".join(WNIDS))
    solution = ["ImageId,PredictionString"]
    solution += [f"ILSVRC2012_val_{i:08d},{WNIDS[i - 1]} 1 2 3 4 " for i in (3, 1, 4, 2)]
    (root / "LOC_val_solution.csv").write_text("\n".join(solution))
    table = ["label,path", *(f"{WNIDS[i]},{VALIDATION[i]}" for i in range(4))]
    (root / "val.csv").write_text("\n".join(table))
    return ["devkit", "wnids.txt", "LOC_val_solution.csv", "val.csv"]


@pytest.mark.parametrize("form", range(4), ids=["devkit", "wnids", "kaggle", "csv"])
def test_imagenets_flat_validation_folder(tmp_path, form):
    # Number 2 is not on disk: the others keep their labels, which a list by position would not.
    touch(tmp_path, *TRAINING, VALIDATION[0], *VALIDATION[2:])
    listed = list_imagenet(tmp_path, "train", "val", ground_truths(tmp_path)[form])
    assert listed[:2] == [Listed(file, file.split("/")[1], TRAIN) for file in TRAINING]
    assert listed[2:] == [Listed(VALIDATION[i], WNIDS[i], TEST) for i in (0, 2, 3)]


def test_imagenets_sorted_validation_folder_needs_no_ground_truth(tmp_path):
    touch(tmp_path, *TRAINING, "val/n01440764/ILSVRC2012_val_00000001.JPEG")
    listed = list_imagenet(tmp_path, "train", "val", "no devkit")
    assert listed[2:] == [Listed("val/n01440764/ILSVRC2012_val_00000001.JPEG", "n01440764", TEST)]


def test_the_devkits_ids_are_those_of_the_leaves(tmp_path):
    write_meta(tmp_path / "meta.mat")
    meta = read_meta(tmp_path / "meta.mat")
    assert sorted(meta) == [1, 2, 3]
    assert meta[3] == ("n01440764", "tench, Tinca tinca")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.txt", "3\n1\n", "line 1: '3', expected a wnid"),
        ("t.txt", "n01440764\n\nn01440764", "line 2: ''"),
        ("none.txt", None, "can't be read"),
        ("t.csv", "file,class\na,b\n", "no column path and no column label"),
        ("t.csv", "ImageId,PredictionString\nILSVRC2012_val_00000001,\n", "has no class"),
        (
            "t.csv",
            "ImageId,PredictionString\na,n01440764 1 2 3 4\na,n02119789 1 2 3 4\n",
            "line 3: 'a' has the class 'n02119789', but .* 'a' the class 'n01440764'",
        ),
        (
            "t.csv",
            "path,label\nval/a.JPEG,tabby cat\nb.JPEG,x\na.JPEG,tabby\n",
            "line 4: 'a.JPEG' has the class 'tabby', but .* 'a' the class 'tabby cat'",
        ),
        ("t.csv", "path,label\nILSVRC2012_val_00000002.JPEG,x\n", "says nothing about 1 of the 1"),
        ("devkit/data/meta.mat", "garbage", "not the devkit's table"),
        ("devkit/readme", "", "meta.mat is not there"),
    ],
)
def test_a_wrong_ground_truth_is_named(tmp_path, name, content, says):
    touch(tmp_path, *TRAINING, VALIDATION[0])
    if content is not None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    with pytest.raises(VebiError, match=says):
        list_imagenet(tmp_path, "train", "val", name.split("/")[0])


def test_an_image_may_have_its_class_twice(tmp_path):
    (tmp_path / "t.csv").write_text("path,label\nval/a.JPEG,tabby cat\na.JPEG,tabby cat\n")
    assert read_ground_truth(tmp_path / "t.csv")("a.JPEG") == "tabby cat"


def test_devkit_numbers_that_are_no_class(tmp_path):
    write_meta(tmp_path / "data/meta.mat")
    (tmp_path / "data/ILSVRC2012_validation_ground_truth.txt").write_text("3\n1001\n")
    with pytest.raises(VebiError, match="line 2: '1001', expected the number of a class"):
        read_ground_truth(tmp_path)


def test_csv_with_commas_quotes_other_columns_and_a_byte_order_mark(tmp_path):
    text = (
        "\ufeffphoto id, split ,label,path\r\n"
        '1,train,"São Paulo, Brazil", a/ü 1.jpg \r\n'
        '\r\n2,TEST,"the ""Big Apple""",./b//2.jpg\r\n'
    )
    (tmp_path / "l.csv").write_bytes(text.encode())
    assert list_csv(tmp_path, "l.csv", "train", "test") == [
        Listed("a/ü 1.jpg", "São Paulo, Brazil", TRAIN),
        Listed("b/2.jpg", 'the "Big Apple"', TEST),
    ]


def test_csv_without_splits_leaves_them_to_be_drawn(tmp_path):
    (tmp_path / "l.csv").write_text("path,label\na.jpg,x\n")
    assert list_csv(tmp_path, "l.csv", "train", "test") == [Listed("a.jpg", "x", None)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column path and no column label"),
        ("path,city\na,b\n", "no column label; its first line is 'path,city'"),
        ("path,label,path\na,b,c\n", "column path twice"),
        ("path,label\na.jpg,São Paulo, Brazil\n", "line 2: 3 values, but 2 columns.*quotes"),
        ("path,label\na.jpg\n", "line 2: 1 values"),
        ('path,label\n"a.jpg,x\n', "broken CSV"),
        ("path,label\na.jpg,\n", "line 2: the label is empty"),
        ("path,label\n/etc/passwd,x\n", "line 2: '/etc/passwd' is not a path below"),
        ("path,label\na/../../b.jpg,x\n", r"'a/\.\./\.\./b\.jpg' is not a path below"),
        ("path,label\n.,x\n", "names the data set's folder"),
        ("path,label\n,x\n", "'' is not a path below"),
        (
            "path,label,split\na,x,train\nb,x,dev\nc,x,dev\n",
            r"has 'dev' \(line 3\); known are 'train'",
        ),
    ],
)
def test_csv_problems_are_named_with_their_line(tmp_path, text, says):
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(VebiError, match=says):
        list_csv(tmp_path, "l.csv", "train", "test")


def test_other_splits_are_left_out_on_demand(tmp_path):
    (tmp_path / "l.csv").write_text("path,label,split\na,x,train\nb,x,dev\n")
    assert len(list_csv(tmp_path, "l.csv", "train", "test", True)) == 1


def test_a_csv_in_another_encoding_or_missing_is_named(tmp_path):
    (tmp_path / "l.csv").write_bytes("path,label\nä.jpg,x\n".encode("latin-1"))
    with pytest.raises(VebiError, match="not in UTF-8"):
        list_csv(tmp_path, "l.csv", "train", "test")
    with pytest.raises(VebiError, match=r"none\.csv can't be read \(No such file"):
        list_csv(tmp_path, "none.csv", "train", "test")


@given(st.binary(max_size=60) | st.text(alphabet='path,lbes\n\r"\0\\./ a', max_size=60))
def test_any_bytes_give_rows_or_one_kind_of_error(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("csv")
    raw = content if isinstance(content, bytes) else content.encode()
    (folder / "l.csv").write_bytes(b"path,label,split\n" + raw)
    # Any other exception ends the test.
    with suppress(VebiError):
        listed = list_csv(folder, "l.csv", "train", "test")
        assert all(item.file and item.class_id and item.split in (TRAIN, TEST) for item in listed)


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).map(
    str.strip
)


@given(st.lists(st.tuples(CELL, CELL, CELL).filter(all), max_size=5))
def test_what_a_csv_writer_wrote_is_read_again(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "l.csv"
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([("a", "b", "c"), *rows])
    path.write_bytes(buffer.getvalue().encode())
    found = [tuple(row.values()) for _, row in read_rows(path, ("c", "a"), ("b", "d"))]
    assert found == [(c, a, b) for a, b, c in rows]


@given(st.lists(st.sampled_from(["..", ".", "", "a", "..a", "a..", "\0", "b c"]), max_size=5))
def test_no_path_leaves_its_folder(parts):
    path = "/".join(parts)
    try:
        short = check_inside(path, "here")
    except VebiError:
        return
    assert not short.startswith(("/", "../"))
    assert ".." not in short.split("/")


def test_class_names_in_three_forms(tmp_path):
    (tmp_path / "n.csv").write_text('id,name\nn1,"tench, a fish"\n')
    assert read_class_names(tmp_path / "n.csv") == {"n1": "tench, a fish"}
    (tmp_path / "synset_words.txt").write_text("n01440764 tench, Tinca tinca\n")
    assert read_class_names(tmp_path / "synset_words.txt") == {"n01440764": "tench"}
    write_meta(tmp_path / "meta.mat")
    names = read_class_names(tmp_path / "meta.mat")
    assert names["n02119789"] == "kit fox"
    assert len(names) == 3


def test_names_that_two_classes_share_keep_their_ids():
    names = {"n02012849": "crane", "n03126707": "crane", "n01440764": "tench"}
    ids = ["n01440764", "n02012849", "n03126707"]
    assert name_classes(ids, names) == ["tench", "crane (n02012849)", "crane (n03126707)"]
    with pytest.raises(VebiError, match="no name for 1 of 2 classes, such as 'n9'"):
        name_classes(["n01440764", "n9"], names)


def test_the_root_is_looked_for_in_the_data_folder_then_here(tmp_path, monkeypatch):
    data, here = tmp_path / "data", tmp_path / "here"
    for folder in (data, here):
        folder.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("VEBI_DATA", str(data))
    with pytest.raises(VebiError, match=r"'x' is not there.*data/x.*here/x.*Three remedies"):
        find_root("x")
    (here / "x").mkdir()
    assert find_root("x") == here / "x"
    (data / "x").mkdir()
    assert find_root("x") == data / "x"
    assert find_root(str(here)) == here
