"""What stands next to the typed configuration: its explanation, its schema, the shipped files."""

import copy
import json
import re
from pathlib import Path
from typing import get_args, get_origin

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from vebi.config import Config
from vebi.config.parse import parse_config
from vebi.config.schema import schema_text
from vebi.io.errors import VebiError

ROOT = Path(__file__).parents[3]
FILES = sorted([*ROOT.glob("config/*.yaml"), *ROOT.glob("examples/*/*.yaml")])
BASE = yaml.safe_load((ROOT / "config/config.yaml").read_text())


@pytest.fixture(scope="module")
def validator():
    return jsonschema.Draft202012Validator(json.loads((ROOT / "config/schema.json").read_text()))


def sections(annotation):
    """Models that an annotation may stand for, each with what leads to it: "", ".<name>", "[]"."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
        return
    step = {dict: ".<name>", list: "[]"}.get(get_origin(annotation), "")
    for inner in get_args(annotation):
        for path, model in sections(inner):
            yield step + path, model


def models_of(model):
    """Every model of the configuration, each once."""
    yield model
    for field in model.model_fields.values():
        for _, inner in sections(field.annotation):
            yield from models_of(inner)


def explained():
    """Keys with their cells, by the headings of config/README.md."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in (ROOT / "config/README.md").read_text().splitlines():
        if line.startswith("## "):
            rows = found.setdefault(line.removeprefix("## "), {})
        elif (cells := re.split(r"(?<!\\)\|", line)[1:-1]) and cells[0].startswith(" `") and found:
            assert len(cells) == 4, line
            rows[cells[0].strip(" `")] = [cell.strip() for cell in cells[1:]]
    return found


def test_every_key_of_every_section_is_explained():
    tables = explained()
    models = list(models_of(Config))
    assert [set(table) for table in tables.values()] == [set(m.model_fields) for m in models]
    # What the name and the allowed values say needs no more words.
    plain = {"kind", "optimiser", "weight_decay", "networks"}
    for heading, table in tables.items():
        for key, (allowed, _, meaning) in table.items():
            assert allowed, (heading, key)
            assert meaning or key in plain, (heading, key)


@pytest.mark.parametrize(
    ("heading", "key", "cells"),
    [
        ("The run", "compute_threads", ["integer from 1 to 256", "`1`"]),
        ("The run", "device", ["`auto`, `cpu`, `cuda`", "`auto`"]),
        ("The run", "mcgill", ["section or null", "null"]),
        ("`experiments[]`", "dataset", ["text", ""]),
        ("`selection`", "scopes", ["list of `all`, `conv`", "`[all, conv]`"]),
        (
            "`datasets.<name>`, kind `image_folder`",
            "test_fraction",
            ["number above 0 below 1", "`0.2`"],
        ),
        (
            "`datasets.<name>`, kind `mnist`",
            "test_images",
            ["integer from 10 to 10,000 or null", "null"],
        ),
    ],
)
def test_rows_say_what_a_key_takes(heading, key, cells):
    assert explained()[heading][key][:2] == cells


def test_every_configuration_says_what_it_is():
    text = (ROOT / "config/README.md").read_text()
    for path in ROOT.glob("config/*.yaml"):
        (said,) = re.findall(rf"^\| `{path.name}` \| (.+) \|$", text, re.MULTILINE)
        assert len(said.split()) > 4


def test_the_schema_is_that_of_the_types():
    committed = (ROOT / "config/schema.json").read_text()
    assert committed == schema_text(), "run `vebi schema > config/schema.json`"
    jsonschema.Draft202012Validator.check_schema(json.loads(committed))


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_editors_accept_every_shipped_file(validator, file):
    text = file.read_text()
    assert not list(validator.iter_errors(yaml.safe_load(text)))
    schema = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert schema is not None
    assert (file.parent / schema[1]).samefile(ROOT / "config/schema.json")


def change(path, value):
    values = copy.deepcopy(BASE)
    place = values
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return values


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["selction"], {}),
        (["selection", "mus"], [1]),
        (["selection", "mu"], ["1e-3"]),
        (["selection", "mu"], [0]),
        (["seeds"], [0.5]),
        (["run"], "a/b"),
        (["device"], "gpu"),
        (["heatmaps", "methods"], ["gradcan"]),
        (["datasets", "digits", "sise"], 3),
        (["datasets", "mnist", "kind"], "minst"),
        (["models", "matconvnet", "optimiser"], "lion"),
        (["models", "matconvnet", "epochs"], -1),
        (["models", "no name"], {"architecture": "matconvnet", "epochs": 1}),
        (["mcgill", "networks", 0, "audit"], "yes"),
    ],
    ids=str,
)
def test_editors_refuse_what_the_run_refuses(validator, path, value):
    broken = change(path, value)
    assert list(validator.iter_errors(broken))
    with pytest.raises(VebiError):
        parse_config(broken)


def test_a_part_of_a_section_is_enough_for_an_overlay(validator):
    assert not list(validator.iter_errors({"datasets": {"digits": {"size": 32}}, "mcgill": None}))
