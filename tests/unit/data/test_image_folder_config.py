"""The keys of an image folder, and what a run does where the folder is not."""

import copy
import csv
import re
from pathlib import Path

import pytest
import yaml

from vebi.config import Config, parse_config
from vebi.config.datasets import ImageFolderConfig
from vebi.data.decoding import Decoding, decoding_for
from vebi.data.on_disk import leave_out_absent, listing_files
from vebi.io.errors import VebiError
from vebi.run.plan import Plan
from vebi.studies.registry import STUDIES as RECORDS

ROOT = Path(__file__).parents[3]
# Without the studies, which name data sets of their own.
STUDIES = {name for name, field in Config.model_fields.items() if field.default is None}
BASE = {
    key: value
    for key, value in yaml.safe_load((ROOT / "config/config.yaml").read_text()).items()
    if key not in STUDIES
}
PAPER = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
FOLDER = {"kind": "image_folder", "path": "photos", "layout": "class_folders", "n_classes": 10}
# What the digits' network takes.
SMALL = {**FOLDER, "size": 28, "channels": 1}


def configure(*experiments, others=None, **folder):
    values = copy.deepcopy(BASE)
    values["datasets"].update(others or {})
    values["datasets"]["photos"] = {**SMALL, **folder}
    more = {"dataset": "photos", "model": "matconvnet-digits", "heatmap_mu": 10}
    values["experiments"] = [*experiments, more]
    return parse_config(values)


DIGITS = {"dataset": "digits", "model": "matconvnet-digits", "heatmap_mu": 10}


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"layout": "imgenet"}, ["layout: 'imgenet'", "'imagenet'"]),
        ({"clases": []}, ["clases: unknown key", "did you mean 'classes'"]),
        ({"n_classes": None}, ["n_classes", "None"]),
        ({"n_classes": 1}, ["n_classes: 1"]),
        ({"classes": ["a", "b"]}, ["n_classes is 10, but classes lists 2"]),
        ({"classes": ["a", "a"], "n_classes": 2}, ["classes: 'a' is listed twice"]),
        ({"table": "l.csv"}, ["table has no meaning in layout 'class_folders'", "csv"]),
        ({"layout": "csv", "ground_truth": "x"}, ["ground_truth has no meaning"]),
        ({"layout": "csv", "train": "Test"}, ["train and test are both 'Test'"]),
        ({"layout": "imagenet", "test": "../val"}, ["test", "'../val'", "without '..'"]),
        ({"masks": "/masks"}, ["masks", "'/masks'"]),
        ({"resize": "crop", "first_size": 16}, ["first_size is 16", "28 x 28"]),
        ({"channels": 4}, ["channels: 4", "1 or 3"]),
        ({"test_fraction": 1}, ["test_fraction: 1"]),
        ({"max_megapixels": 500}, ["max_megapixels: 500"]),
        ({"size": 32}, ["(32, 32, 1)", "(28, 28, 1)"]),
    ],
    ids=str,
)
def test_each_problem_is_named(keys, says):
    with pytest.raises(VebiError) as raised:
        configure(**keys)
    for part in says:
        assert part in str(raised.value)


def test_a_parsed_folder_is_parsed_again_to_the_same():
    # So the manifest's configuration can be read, and the loading job gets what was checked.
    for layout in ("split_folders", "class_folders", "imagenet", "csv"):
        for extra in ({}, {"classes": ["b", "a"], "n_classes": 2}, {"masks": "m/"}):
            one = ImageFolderConfig(**{**FOLDER, "layout": layout, **extra})
            assert ImageFolderConfig(**one.model_dump()) == one


def test_classes_say_how_many_there_are():
    values = {key: value for key, value in FOLDER.items() if key != "n_classes"}
    assert ImageFolderConfig(**values, classes=["a", "b", "c"]).n_classes == 3


def test_every_kind_of_data_set_says_how_files_become_its_images():
    config = configure(first_size=40, resize="crop", max_megapixels=1.5)
    assert decoding_for(config.datasets["photos"]) == Decoding(28, 1, "crop", 40, 1_500_000)
    for data in config.datasets.values():
        assert decoding_for(data).shape == data.shape


def test_masks_of_a_folder_count_as_masks():
    assert configure(masks="masks").datasets["photos"].has_masks
    assert not configure().datasets["photos"].has_masks
    assert configure().datasets["an8flower-single-6c"].has_masks


def test_absent_folders_are_left_out_only_on_demand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VEBI_DATA", str(tmp_path / "data"))
    config = configure(DIGITS)
    assert leave_out_absent(config) == (config, [])
    config = configure(DIGITS, if_missing="leave_out")
    kept, lines = leave_out_absent(config)
    assert [e.dataset for e in kept.experiments] == ["digits"]
    assert len(lines) == 1
    assert re.search(r"matconvnet-digits on photos.*data/photos.*/photos\)", lines[0])
    (tmp_path / "data/photos").mkdir(parents=True)
    assert leave_out_absent(config) == (config, [])


WHOLE = yaml.safe_load((ROOT / "config/config.yaml").read_text())


def configure_whole(experiments, networks):
    values = copy.deepcopy(WHOLE)
    values["datasets"]["photos"] = {**SMALL, "if_missing": "leave_out"}
    values["experiments"] = experiments
    network = {"kind": "matconvnet", "model": "matconvnet-digits", "mu": [10]}
    values["mcgill"] = {"networks": [{**network, "dataset": name} for name in networks]}
    return parse_config(values)


@pytest.fixture
def _no_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VEBI_DATA", raising=False)


@pytest.mark.usefixtures("_no_images")
def test_networks_of_the_mcgill_report_are_left_out_likewise():
    kept, lines = leave_out_absent(configure_whole([DIGITS], ["photos"]))
    assert kept.mcgill is None
    assert "matconvnet-digits on photos (mcgill.networks), whose images are not here" in lines[0]
    with pytest.raises(VebiError, match=r"left out: .*mcgill.networks"):
        leave_out_absent(configure_whole([], ["photos"]))


@pytest.mark.usefixtures("_no_images")
def test_what_nothing_is_measured_by_is_said():
    kept, lines = leave_out_absent(configure_whole([DIGITS], ["digits"]))
    assert kept.mcgill
    assert lines == [
        "resampling.datasets: nothing is measured on 'an8flower-single-6c', since no experiment is on it"
    ]
    kept, lines = leave_out_absent(configure_whole([{**DIGITS, "dataset": "photos"}], ["digits"]))
    assert not kept.experiments
    idle = [line.partition(":")[0] for line in lines[1:]]
    assert (
        idle
        == [*("average", "artefacts", "occlusion", "sanity", "resampling")]
        + ["resampling.datasets"] * 2
    )
    plan = Plan(kept, Path("results/x"))
    assert {study.name for study in RECORDS if study.table_names(plan)} == {"mcgill"}


def test_a_folder_of_splits_is_there_if_both_of_them_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VEBI_DATA", str(tmp_path))
    splits = {"path": ".", "layout": "split_folders", "train": "imagenette/train", "test": "ilsvrc"}
    config = configure(DIGITS, if_missing="leave_out", **splits)
    (tmp_path / "imagenette/train").mkdir(parents=True)
    assert [e.dataset for e in leave_out_absent(config)[0].experiments] == ["digits"]
    (tmp_path / "ilsvrc").mkdir()
    assert leave_out_absent(config) == (config, [])


def test_a_stand_in_is_used_exactly_where_the_folder_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VEBI_DATA", str(tmp_path))
    stand_in = {"kind": "torchvision", "name": "KMNIST", "n_classes": 3, "size": 28, "channels": 1}
    others = {"kuzushiji": {**stand_in, "instead_of": "photos"}}
    experiment = {"dataset": "kuzushiji", "model": "matconvnet-digits", "heatmap_mu": 10}
    config = configure(experiment, others=others, if_missing="leave_out")
    assert [e.dataset for e in leave_out_absent(config)[0].experiments] == ["kuzushiji"]
    (tmp_path / "photos").mkdir()
    kept, lines = leave_out_absent(config)
    assert [e.dataset for e in kept.experiments] == ["photos"]
    assert lines == [
        "left out: matconvnet-digits on kuzushiji, which stands in for photos where that is not here"
    ]
    with pytest.raises(
        VebiError, match=r"instead_of: 'photo' is not an image folder .*allowed: photos"
    ):
        configure(experiment, others={"kuzushiji": {**stand_in, "instead_of": "photo"}})


def test_a_run_of_nothing_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VEBI_DATA", raising=False)
    with pytest.raises(VebiError, match=r"No experiment is left.*\n.*photos.*\n.*VEBI_DATA"):
        leave_out_absent(configure(if_missing="leave_out"))


def test_listing_files_are_those_that_decide_what_is_in_the_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VEBI_DATA", str(tmp_path))
    names = [
        "photos/labels.csv",
        "photos/ILSVRC2012_devkit_t12/data/meta.mat",
        "photos/ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
        "names.csv",
    ]

    def found(**keys):
        files = listing_files(ImageFolderConfig(**{**FOLDER, **keys}))
        return [str(tmp_path.joinpath(path).relative_to(tmp_path)) for path in files]

    assert found(layout="csv") == []
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert found() == []
    assert found(layout="csv") == names[:1]
    assert found(layout="imagenet") == names[1:3]
    assert found(layout="csv", class_names="names.csv") == [names[0], names[3]]


def test_the_papers_cats_have_names():
    with (ROOT / "config/imagenet-cats.csv").open() as stream:
        names = {row["id"]: row["name"] for row in csv.DictReader(stream)}
    # All descendants of "cat" and "big cat" among the 1,000 classes.
    assert list(names) == PAPER["datasets"]["imagenet-cats"]["classes"]
    assert len(set(names.values())) == 13
