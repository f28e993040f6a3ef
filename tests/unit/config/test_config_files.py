"""What stands beside the typed configuration: its explanation, its schema, the shipped files."""

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


def keys_of(model, prefix=""):
    """Every key of the configuration, in the notation of config/README.md."""
    for name, field in model.model_fields.items():
        yield prefix + name
        for path, inner in sections(field.annotation):
            yield from keys_of(inner, f"{prefix}{name}{path}.")


def explained_keys():
    """Every key that a table of config/README.md explains.

    A table's header starts with `key`; names in the first column of its rows are relative to the
    section's heading, unless they start with a section's name themselves.
    """
    found: list[str] = []
    heading, in_keys = "", False
    for line in (ROOT / "config/README.md").read_text().splitlines():
        if line.startswith("## "):
            names = re.findall(r"`([^`]+)`", line)
            heading = f"{names[0]}." if len(names) == 1 else ""
        if not line.startswith("|"):
            in_keys = False
        elif line.startswith("| key |"):
            in_keys = True
        elif in_keys and not line.startswith("|---"):
            for name in re.findall(r"`([^`]+)`", line.split("|")[1]):
                first = re.split(r"[.\[]", name)[0]
                whole = "." in name and first in Config.model_fields
                found.append(name if whole else heading + name)
    return found


def test_every_key_is_explained_and_nothing_else():
    known = set(keys_of(Config))
    # A section's own name is its heading; of lists of entries the entries' keys are explained.
    inner = {re.sub(r"(\[\]|\.<name>)?\.[^.]+$", "", key) for key in known}
    explained = explained_keys()
    assert known - inner - set(explained) == set()
    assert set(explained) - known == set()
    # Kinds of data sets share names of keys.
    once = [key for key in explained if not key.startswith("datasets.")]
    assert len(once) == len(set(once)), "a key is explained twice"


def test_every_section_has_a_heading():
    text = (ROOT / "config/README.md").read_text()
    headings = "\n".join(re.findall(r"^## .*$|^\| `[^|]*", text, re.MULTILINE))
    for name, field in Config.model_fields.items():
        if list(sections(field.annotation)):
            assert re.search(rf"`{name}[`.]", headings), name


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
