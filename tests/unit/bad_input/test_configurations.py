"""Broken configurations and what the error says: the key, what was expected, what is allowed."""

import copy
import datetime
import math

import pytest

from vebi.config import parse_config
from vebi.data.on_disk import leave_out_absent, listing_files
from vebi.io.errors import VebiError

GONE = object()
LOOP: list = []
LOOP.append(LOOP)
BOMB: object = "lol"
for _ in range(12):
    BOMB = [BOMB] * 9
NET = {"architecture": "matconvnet", "epochs": 1}

# Where in the configuration, what is there, and the words that must be said.
TABLE = [
    ("run", GONE, ["run", "missing"]),
    ("run", "", ["run", "is not a name"]),
    ("run", "../../x", ["run", "'../../x'", "is not a name"]),
    ("run", "/tmp/x", ["run", "'/tmp/x'", "is not a name"]),
    ("run", "..", ["run", "is not a name"]),
    ("run", ".hidden", ["run", "is not a name"]),
    ("run", "a/b", ["run", "is not a name"]),
    ("run", "x\0y", ["run", "control characters"]),
    ("run", "x\n", ["run", "control characters"]),
    ("run", "x" * 65, ["run", "64"]),
    ("run", "é", ["run", "is not a name"]),
    ("run", "{seed}", ["run", "is not a name"]),
    ("run", 7, ["run", "string"]),
    ("run", datetime.date(2026, 1, 1), ["run", "string"]),
    ("run", BOMB, ["run", "aliases"]),
    ("datasets", {}, ["datasets", "at least 1"]),
    ("datasets", BOMB, ["datasets", "aliases"]),
    ("datasets.digits", {"kind": "digts"}, ["datasets.digits.kind", "'digts'", "'digits'"]),
    ("datasets.digits", {}, ["datasets.digits.kind", "missing"]),
    ("datasets.digits", None, ["datasets.digits"]),
    ("datasets.digits.size", "28", ["datasets.digits.size", "text", "number"]),
    ("datasets.digits.size", 28.5, ["datasets.digits.size", "28.5"]),
    ("datasets.digits.size", True, ["datasets.digits.size", "True"]),
    ("datasets.digits.sise", 28, ["datasets.digits.sise", "unknown key", "did you mean 'size'"]),
    ("datasets.../evil", {"kind": "digits"}, ["'../evil'", "is not a name"]),
    ("datasets.a/b", {"kind": "digits"}, ["'a/b'", "is not a name"]),
    ("datasets.photos.path", "", ["photos.path", "at least 1"]),
    ("datasets.photos.path", "a\0b", ["photos.path", "control characters"]),
    ("datasets.photos.path", "a" * 5000, ["photos.path", "5,000 characters"]),
    ("datasets.photos.path", "a\udc80", ["photos.path", "not text"]),
    ("datasets.photos.masks", "../masks", ["masks", "without '..'"]),
    ("datasets.photos.test", "/etc", ["test", "'/etc'", "below"]),
    ("datasets.photos.table", "x.csv", ["table", "no meaning", "class_folders"]),
    ("datasets.photos.classes", ["a", "a"], ["classes", "'a'", "twice"]),
    ("datasets.photos.n_classes", 1, ["n_classes", "2"]),
    ("datasets.photos.max_megapixels", math.nan, ["max_megapixels", "nan", "finite"]),
    ("datasets.photos.max_megapixels", 1e6, ["max_megapixels", "178"]),
    ("datasets.flowers.images", 6 * 10**14, ["flowers.images", "less than or equal to 20000000"]),
    ("datasets.flowers.images", 121, ["flowers", "multiple", "6 classes"]),
    ("datasets.flowers.fold", 5, ["fold is 5", "0 to 4"]),
    ("datasets.flowers", {"kind": "an8flower", "flower_set": "single-6c", "images": 6_000_000},
     ["40000 jobs", "images_per_chunk to 600"]),
    ("models", {}, ["models", "at least 1"]),
    ("models.net", LOOP, ["nested deeper"]),
    ("models.net", {"epochs": 1}, ["architecture or factory", "neither"]),
    ("models.net", {**NET, "factory": "a:b"}, ["architecture or factory", "both"]),
    ("models.net.architecture", "matconvent", ["'matconvent'", "did you mean 'matconvnet'"]),
    ("models.net.architecture", "torchvision:../x", ["architecture", "unknown"]),
    ("models.net.epochs", 0, ["epochs", "weights or factory"]),
    ("models.net.epochs", -1, ["epochs", "-1"]),
    ("models.net.epochs", 10**400, ["epochs", "too large"]),
    ("models.net.learning_rate", "1e-3", ["learning_rate", "text", "1.0e-3"]),
    ("models.net.learning_rate", math.inf, ["learning_rate", "inf", "finite"]),
    ("models.net.learning_rate", 0.0, ["learning_rate", "greater than 0"]),
    ("models.net.mean", [math.nan], ["mean.0", "nan"]),
    ("models.net.scale", 0, ["scale", "above 0"]),
    ("models.net.scale", [1.0, math.inf], ["scale.1", "inf"]),
    ("models.net.kwargs", {"width": 3}, ["kwargs", "takes none"]),
    ("models.net.kwargs", {"a": {"b": 1}}, ["kwargs", "number, text"]),
    ("models.net.kwargs", {"a": LOOP}, ["nested deeper"]),
    ("models.net.n_classes", 7, ["models.net.n_classes", "7", "10 classes"]),
    ("models.net", {"factory": "os.system", "epochs": 1}, ["factory", "package.module:function"]),
    ("models.net", {"factory": "a;b:c", "epochs": 1}, ["factory", "package.module:function"]),
    ("models.net.weights", "x.mat\n", ["weights", "control characters"]),
    ("experiments", [], ["experiments", "nothing to do"]),
    ("experiments.0.dataset", "digit", ["experiments.0.dataset", "did you mean 'digits'"]),
    ("experiments.0.model", "gap ", ["experiments.0.model", "is not a name"]),
    ("experiments.0.model", "x", ["experiments.0.model", "'x'", "allowed: net, gap"]),
    ("experiments.0.heatmap_mu", 11, ["heatmap_mu", "11", "allowed: 10"]),
    ("experiments.1.model", "net", ["images of 'photos'", "(28, 28, 1)"]),
    ("selection", GONE, ["selection", "missing"]),
    ("selection.mu", [], ["selection.mu", "at least 1"]),
    ("selection.mu", [math.inf], ["selection.mu.0", "inf"]),
    ("selection.mu", [10, 10], ["selection.mu", "twice"]),
    ("selection.mu", [10**400], ["selection.mu.0", "too large"]),
    ("selection.solver", "lars", ["selection.solver", "'lars'", "'path'"]),
    ("seeds", [], ["seeds", "at least 1"]),
    ("seeds", [-1], ["seeds.0", "-1"]),
    ("seeds", [2**63], ["seeds.0", "too large"]),
    ("seeds", {0}, ["seeds", "list"]),
    ("seed", 0.5, ["seed", "0.5"]),
    ("ablation", {"repeats": 10**12}, ["ablation.repeats", "less than or equal to 1000"]),
    ("iou", {"thresholds": 1}, ["iou.thresholds", "2"]),
    ("heatmaps", {"methods": ["magic"]}, ["heatmaps.methods.0", "'magic'"]),
    ("mcgil", {}, ["mcgil", "unknown key", "did you mean 'mcgill'"]),
    (7, {}, ["7", "strings"]),
    (None, {}, ["None", "strings"]),
]  # fmt: skip


def put(values, where, what):
    """Set or delete what stands at a dotted place; a name with dots of its own stands last."""
    if not isinstance(where, str):
        values[where] = what
        return
    section, _, rest = where.partition(".")
    *steps, last = [section, rest] if section == "datasets" and "/" in rest else where.split(".")
    for step in steps:
        values = values[int(step) if isinstance(values, list) else step]
    if what is GONE:
        del values[last]
    else:
        values[last] = what


@pytest.mark.parametrize(
    ("where", "what", "says"), TABLE, ids=[f"{n}-{row[0]}"[:30] for n, row in enumerate(TABLE)]
)
def test_every_broken_configuration_is_told_where_and_why(config, where, what, says):
    put(config, where, what)
    with pytest.raises(VebiError) as caught:
        leave_out_absent(parse_config(config))
    message = str(caught.value)
    for word in says:
        assert word in message
    # To be read by people: a few lines, whatever the file held.
    assert len(message) < 1500


@pytest.mark.parametrize("values", [[1], "text", None, 3])
def test_a_file_without_keys_is_no_configuration(values):
    with pytest.raises(VebiError, match="keys with values"):
        parse_config(values)


def test_two_experiments_may_not_draw_the_same_figure(config):
    config["datasets"] |= {"a": {"kind": "digits"}, "a_b": {"kind": "digits"}}
    config["models"] |= {"b_c": NET, "c": NET}
    config["experiments"] = [
        {"dataset": "a", "model": "b_c", "heatmap_mu": 10},
        {"dataset": "a_b", "model": "c", "heatmap_mu": 10},
    ]
    with pytest.raises(VebiError, match="a_b_c; rename"):
        parse_config(config)


def test_places_that_can_not_exist_are_absent_and_no_accident(config):
    photos = config["datasets"]["photos"]
    for path in ("~nobody-of-that-name/x", "a" * 300, "x/" * 1000):
        photos |= {"path": path, "class_names": "n" * 300, "if_missing": "leave_out"}
        kept, lines = leave_out_absent(parse_config(copy.deepcopy(config)))
        assert [e.dataset for e in kept.experiments] == ["digits"]
        assert len(lines) == 1
        assert listing_files(kept.datasets["photos"]) == []


def test_a_hundred_problems_are_told_in_forty_lines(config):
    config["experiments"] = [{"dataset": "digits", "model": "net"}] * 100
    with pytest.raises(VebiError) as caught:
        parse_config(config)
    assert "100 problems" in str(caught.value)
    assert str(caught.value).endswith("and 60 more")
