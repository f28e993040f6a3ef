"""Every number of the configuration has an upper bound, and what it allows fits together."""

import copy
from pathlib import Path

import pytest
import yaml

from vebi.config import parse_config
from vebi.config.schema import editor_schema
from vebi.io.errors import VebiError

BASE = yaml.safe_load((Path(__file__).parents[3] / "config/config.yaml").read_text())


def numbers(node, path=""):
    """Every place of a JSON Schema where a number may stand."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if not isinstance(node, dict):
        return
    if node.get("type") in ("integer", "number"):
        yield path, node
    for key, inner in node.items():
        yield from numbers(inner, f"{path}/{key}")


def test_every_number_has_an_upper_bound():
    found = dict(numbers(editor_schema()))
    assert len(found) > 80
    bounds = ("maximum", "exclusiveMaximum", "enum", "const")
    assert [path for path, node in found.items() if not any(key in node for key in bounds)] == []
    # Not one that only stands there: what no machine can hold is beyond it.
    largest = {
        path: node.get("maximum", node.get("exclusiveMaximum", 0)) for path, node in found.items()
    }
    seeds = {path for path, value in largest.items() if value == 2**63 - 1}
    assert {path.split("/")[-1] for path in seeds} <= {"seed", "items"}
    assert max(value for path, value in largest.items() if path not in seeds) == 1e9  # mu


def test_a_schema_without_a_bound_would_be_found():
    schema = {"properties": {"x": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]}}}
    assert [path for path, _ in numbers(schema)] == ["/properties/x/anyOf/0"]


def put(where, value):
    config = copy.deepcopy(BASE)
    *steps, last = where.split(".")
    place = config
    for step in steps:
        place = place[step]
    place[last] = value
    return config


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        ("ablation.repeats", 10_000_000, "less than or equal to 1000"),
        ("models.matconvnet.learning_rate", 1e100, "less than or equal to 100"),
        ("occlusion.draws", 10_000_000, "less than or equal to 10000"),
        ("iou.thresholds", 10_000_000, "less than or equal to 10001"),
        ("models.matconvnet.scale", 1e30, "0.000001|1e-06 to 1e\\+06"),
        ("models.matconvnet.mean", [1e30], "less than or equal to 255"),
        ("seeds", list(range(1001)), "at most 1000"),
        # 28 x 28 grey images have one channel: neither the architecture nor the images are wrong.
        ("models.matconvnet-digits.scale", [1.0, 2.0, 3.0], "scale: has 3 numbers.* 1 channels"),
        ("models.matconvnet-digits.mean", [1.0, 2.0], "mean: has 2 numbers.* 1 channels"),
        # 112 x 112 colour pixels in float32.
        (
            "models.an8flower-strided.batch_size",
            65_536,
            "batch_size: 65536 images .* 9.19 GiB of pixels; allowed: up to 57065",
        ),
    ],
)
def test_what_is_beyond_is_refused_by_name(where, value, says):
    with pytest.raises(VebiError, match=says) as caught:
        parse_config(put(where, value))
    assert where in str(caught.value)
    assert "architecture" not in str(caught.value)


def test_the_largest_allowed_batch_is_taken():
    assert parse_config(put("models.an8flower-strided.batch_size", 57_065))
