"""The section `mcgill` of the configuration."""

import copy
from pathlib import Path

import pytest
import yaml

from vebi.config import parse_config
from vebi.io.errors import VebiError
from vebi.studies.mcgill.report_networks import is_full_size

ROOT = Path(__file__).parents[4]
BASE = yaml.safe_load((ROOT / "config/config.yaml").read_text())


def with_mcgill(**changes):
    config = copy.deepcopy(BASE)
    config["mcgill"] |= changes
    return config


def network(**changes):
    one = {"kind": "keras", "dataset": "digits", "model": "keras-digits", "mu": [10]}
    return with_mcgill(networks=[one | changes])


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (network(model="keras"), ["mcgill.networks.0.model: 'keras' is not there"]),
        (network(dataset="an8flower-single-6c"), ["(112, 112, 3)", "'keras' takes (28, 28, 1)"]),
        (network(solvers=["spgl1"]), ["'path' is missing"]),
        (network(mu=[10, 10]), ["mu: the same value is listed twice"]),
        (network(solvers=["path", "spgl2"]), ["mcgill.networks.0.solvers", "spgl2"]),
        (
            with_mcgill(networks=network()["mcgill"]["networks"] * 2),
            ["model 'keras-digits' is listed twice"],
        ),
        ({**BASE, "mcgill": None, "experiments": []}, ["experiments: is empty"]),
    ],
    ids=["model", "shape", "no path", "mu twice", "solver", "model twice", "nothing"],
)
def test_problems_are_named(config, says):
    with pytest.raises(VebiError) as raised:
        parse_config(config)
    for part in says:
        assert part in str(raised.value)


def test_without_experiments_the_section_is_enough():
    keys = ("run", "seeds", "datasets", "models", "selection", "mcgill")
    config = {key: BASE[key] for key in keys} | {"experiments": []}
    assert parse_config(config).mcgill is not None


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"width": 0}, "kwargs.width: is 0; allowed: 1 to 1024"),
        ({"width": 8.5}, "kwargs.width: is 8.5"),
        ({"dropout": 1.0}, "kwargs.dropout: is 1.0; allowed: 0.0 to 0.95"),
        ({"depth": 3}, "'keras' takes width, dropout, not depth"),
    ],
)
def test_the_keras_network_takes_width_and_dropout(kwargs, says):
    config = copy.deepcopy(BASE)
    config["models"]["keras-digits"]["kwargs"] = kwargs
    with pytest.raises(VebiError) as raised:
        parse_config(config)
    assert says in str(raised.value)


def test_only_the_reports_data_width_and_epochs_count_as_full():
    def is_full(config, model="keras", dataset="mnist", kind="keras"):
        one = {"kind": kind, "dataset": dataset, "model": model, "mu": [10]}
        config["mcgill"] = {"networks": [one]}
        parsed = parse_config(config)
        assert parsed.mcgill is not None
        return is_full_size(kind, parsed.datasets[dataset], parsed.models[model])

    def config(**changes):
        copied = copy.deepcopy(BASE)
        copied["models"]["keras"] = {**copied["models"]["keras-digits"], "kwargs": {}} | changes
        copied["datasets"]["some"] = {"kind": "mnist", "train_images": 1000}
        return copied

    assert is_full(config())
    assert is_full(config(), "matconvnet", kind="matconvnet")
    assert not is_full(config(), dataset="digits")
    assert not is_full(config(), dataset="some")
    assert not is_full(config(epochs=4))
    assert not is_full(config(kwargs={"width": 64}))
