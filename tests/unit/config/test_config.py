import copy
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vebi.catalogue.architectures import ARCHITECTURES
from vebi.config import Config, parse_config
from vebi.io.errors import VebiError

ROOT = Path(__file__).parents[3]
BASE = yaml.safe_load((ROOT / "config/config.yaml").read_text())


def overlay(base, extra):
    """What Snakemake does with a second --configfile."""
    merged = copy.deepcopy(base)
    for key, value in extra.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = overlay(merged[key], value) if both else value
    return merged


CONFIGS = sorted(path.stem for path in (ROOT / "config").glob("*.yaml"))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_shipped_configuration_is_valid(name):
    extra = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
    assert isinstance(parse_config(overlay(BASE, extra)), Config)


def test_default_run_is_what_the_readme_promises():
    config = parse_config(BASE)
    least = {"an8flower-single-6c": 1200, "an8flower-double-12c": 1800}
    for name, images in least.items():
        assert config.datasets[name].images >= images
    assert len(config.seeds) >= 3
    assert {e.dataset for e in config.experiments} == {*least, "digits"}


def break_at(path, value):
    broken = copy.deepcopy(BASE)
    place = broken
    for part in path[:-1]:
        place = place[part]
    if value is KeyError:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return broken


# What is wrong, and what the message must say: the key, the value, what is allowed.
BROKEN = [
    (["selction"], {}, ["selction: unknown key", "did you mean 'selection'"]),
    (["selection", "mus"], [1], ["selection.mus: unknown key", "did you mean 'mu'"]),
    (["models", "matconvnet", "epoch"], 3, ["models.matconvnet.epoch", "did you mean 'epochs'"]),
    (
        ["datasets", "digits", "sise"],
        3,
        ["datasets.digits.sise: unknown key", "did you mean 'size'"],
    ),
    (["datasets", "mnist", "kind"], "minst", ["datasets.mnist.kind", "'minst'", "'mnist'"]),
    (["datasets", "mnist"], {}, ["datasets.mnist.kind: is missing"]),
    (["run"], "../elsewhere", ["run", "../elsewhere"]),
    (["run"], "a/b", ["run", "a/b"]),
    (["run"], KeyError, ["run: is missing"]),
    (["shown_as", "mnits"], "MNIST", ["shown_as: 'mnits' is not there", "did you mean 'mnist'"]),
    (["shown_as", "mnist"], "digits", ["shown_as: 'mnist' and 'digits' would both", "as 'digits'"]),
    (["shown_as", "mnist"], "", ["shown_as.mnist"]),
    (["shown_as", "mnist"], "two\nlines", ["shown_as.mnist"]),
    (["seed"], -1, ["seed", "-1", "greater than or equal to 0"]),
    (["seeds"], [], ["seeds", "at least 1"]),
    (["seeds"], [0, 0], ["seeds", "twice"]),
    (["seeds"], [0.5], ["seeds.0", "0.5", "integer"]),
    (["device"], "gpu", ["device", "'gpu'", "'auto', 'cpu' or 'cuda'"]),
    (
        ["selection", "mu"],
        [0],
        ["selection.mu.0", "0 is not allowed", "greater than or equal to 0.000001"],
    ),
    (["selection", "mu"], [-3.0], ["selection.mu.0", "-3.0"]),
    (["selection", "mu"], ["1e-3"], ["selection.mu.0", "1e-3", "1.0e-3"]),
    (["seeds"], ["0", "1"], ["seeds.0", "'0' is text", "--configfile"]),
    (["selection", "mu"], [1, 1], ["selection.mu", "twice"]),
    # What tables would round: two rows of one key, or a mu that no row has.
    (
        ["selection", "mu"],
        [33.333333333],
        ["selection.mu.0", "more digits than tables keep", "33.33"],
    ),
    (["selection", "mu"], [1, 1.0000001], ["selection.mu.1", "1.0000001", "more digits"]),
    (["selection", "mu"], [5e-324], ["selection.mu.0", "5e-324"]),
    (["selection", "mu"], 10, ["selection.mu", "10", "list"]),
    (["selection", "mu"], [float("nan")], ["selection.mu.0", "nan"]),
    (["selection", "solver"], "lars", ["selection.solver", "'lars'", "'path' or 'spgl1'"]),
    (["selection", "descriptor"], "l3", ["selection.descriptor", "'l3'", "vebi_text"]),
    (["selection", "nonnegative"], "yes", ["selection.nonnegative", "'yes'", "boolean"]),
    (["selection", "scopes"], ["fc"], ["selection.scopes.0", "'fc'", "'all' or 'conv'"]),
    (["selection", "scopes"], ["conv"], ["heatmaps.scope", "'all'", "conv"]),
    (["benchmark"], {}, ["benchmark", "needs a section interventions"]),
    (["benchmark"], {"methods": ["lpr"]}, ["benchmark.methods.0", "'lpr'", "captum:Saliency"]),
    (["experiments", 0, "dataset"], "digitz", ["experiments.0.dataset", "did you mean 'digits'"]),
    (["experiments", 0, "model"], "lenet", ["experiments.0.model", "'lenet'", "allowed: "]),
    (["experiments", 0, "model"], "matconvnet", ["(112, 112, 3)", "(28, 28, 1)"]),
    (["experiments", 0, "heatmap_mu"], 7, ["heatmap_mu", "7", "selection.mu", "allowed: 1, 2"]),
    (["models", "matconvnet-digits", "n_classes"], 12, ["n_classes", "12", "10 classes", "digits"]),
    (["models", "matconvnet", "epochs"], 0, ["models.matconvnet.epochs", "0"]),
    (["models", "matconvnet", "learning_rate"], "1e-3", ["learning_rate", "1.0e-3"]),
    (["models", "matconvnet", "optimiser"], "lion", ["optimiser", "'lion'", "'sgd', 'adam'"]),
    (["models", "matconvnet", "architecture"], "vgg", ["architecture", "'vgg'", "matconvnet"]),
    (["models", "matconvnet", "architecture"], "vgg_ff", ["did you mean 'vgg_f'", "factory"]),
    (["models", "matconvnet", "architecture"], KeyError, ["architecture or factory", "neither"]),
    (["models", "matconvnet", "factory"], "nets:make", ["architecture or factory", "both"]),
    (["models", "matconvnet", "factory"], "a/nets:make", ["factory", "'a/nets:make'", "file.py"]),
    (["models", "matconvnet", "scale"], "1e-3", ["models.matconvnet.scale", "'1e-3'", "1.0e-3"]),
    (["models", "matconvnet", "scale"], [1, -1], ["models.matconvnet.scale", "above 0"]),
    (["models", "matconvnet", "mean"], [1, 2, 3, 4], ["models.matconvnet.mean", "at most 3"]),
    (["models", "matconvnet", "kwargs"], {"a": {}}, ["models.matconvnet.kwargs", "a is {}"]),
    (["models", "matconvnet", "kwargs"], {"a": 1}, ["kwargs", "'matconvnet' takes none"]),
    (["models", "matconvnet", "freeze_up_to"], "conv1", ["freeze_up_to", "without weights"]),
    (
        ["models", "matconvnet-digits", "architecture"],
        "torchvision:resnet18",
        ["(28, 28, 1)", "'torchvision:resnet18' takes (32 or more"],
    ),
    (["datasets", "an8flower-single-6c", "images"], 1201, ["1201", "multiple of the 6 classes"]),
    (["datasets", "an8flower-single-6c", "images"], 30, ["30 images", "too few for 5 folds"]),
    (["datasets", "an8flower-single-6c", "fold"], 5, ["fold is 5", "0 to 4"]),
    (
        ["datasets", "an8flower-single-6c", "flower_set"],
        "rose",
        ["flower_set", "'rose'", "single-6c"],
    ),
    (["heatmaps", "methods"], ["gradcan"], ["heatmaps.methods.0", "'gradcan'", "'vebi'"]),
    (
        ["heatmaps", "methods"],
        [{"mine": "explain"}],
        ["methods.0.function", "'explain'", "file.py"],
    ),
    (["heatmaps", "methods"], [{"lrp": "a:b"}], ["methods.0.name", "'lrp' is a built-in method"]),
    (["heatmaps", "methods"], [{"random": "a:b"}], ["'random' is a built-in method"]),
    (["heatmaps", "methods"], [{"a/b": "a:b"}], ["methods.0.name", "'a/b'", "is not a name"]),
    (["heatmaps", "methods"], ["vebi", {"x": "a:b"}, {"x": "a:c"}], ["methods", "twice"]),
    (
        ["heatmaps", "methods"],
        [{"name": "x", "function": "a:b", "negativ": "absolute"}],
        ["methods.0.negativ", "unknown key", "did you mean 'negative'"],
    ),
    (
        ["heatmaps", "methods"],
        [{"name": "x", "function": "a:b", "negative": "drop"}],
        ["methods.0.negative", "'drop'", "'absolute'"],
    ),
    (["heatmaps", "methods"], [{"x": "a:b(c=open('d'))"}], ["methods.0.function", "name=value"]),
    (["heatmaps", "top"], 0, ["heatmaps.top", "0"]),
    (["iou", "thresholds"], 1, ["iou.thresholds", "1"]),
    (["ablation", "repeats"], "ten", ["ablation.repeats", "'ten'", "number"]),
    (["selection"], None, ["selection", "None"]),
    (["datasets"], {}, ["datasets", "at least 1"]),
]


@pytest.mark.parametrize(("path", "value", "says"), BROKEN, ids=[f"{p}={v}" for p, v, _ in BROKEN])
def test_each_problem_is_named_with_key_value_and_what_is_allowed(path, value, says):
    with pytest.raises(VebiError) as raised:
        parse_config(break_at(path, value))
    for part in says:
        assert part in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {"architecture": "torchvision:resnet18", "epochs": 3},
        {"architecture": "vgg_f", "weights": "imagenet-vgg-f.mat", "epochs": 0},
        {"factory": "my_nets:make", "kwargs": {"width": 3, "sizes": [1, 2]}, "epochs": 0},
        {"factory": "code/my_nets.py:make", "weights": "w.pth", "mean": [1, 2.5, 3], "epochs": 0},
    ],
    ids=lambda options: options.get("architecture") or options["factory"],
)
def test_any_network_has_a_place(options):
    from vebi.models.train import TrainingSettings

    model = parse_config(overlay(BASE, {"models": {"mine": options}})).models["mine"]
    settings = model.settings()
    network = options.get("architecture") or f"factory:{options['factory']}"
    assert settings.pop("network") == network
    assert TrainingSettings(**settings).epochs == options["epochs"]


@pytest.mark.parametrize(
    ("page", "section"), [("networks", "models"), ("image-folders", "datasets")]
)
def test_the_pages_examples_are_valid(page, section):
    text = (ROOT / f"docs/how-to/{page}.md").read_text()
    examples = [part for part in text.split("```yaml")[1:] if part.strip().startswith(section)]
    assert examples
    for example in examples:
        values = yaml.safe_load(example.split("```")[0])[section]
        parsed = getattr(parse_config(overlay(BASE, {section: values})), section)
        assert set(parsed) > set(values)


def test_matconvnet_s_networks_divide_by_one():
    extra = {"architecture": "vgg_f", "weights": "vgg.mat", "epochs": 1, "scale": 64}
    with pytest.raises(VebiError, match="scale: is 64, but MatConvNet's networks divide by 1"):
        parse_config(overlay(BASE, {"models": {"mine": extra}}))


def test_threads_have_a_bound():
    with pytest.raises(VebiError, match=r"compute_threads.*256"):
        parse_config(overlay(BASE, {"compute_threads": 10_000_000}))


def test_all_problems_are_listed_at_once():
    broken = overlay(BASE, {"sed": 1, "selection": {"mu": [0]}, "device": "tpu"})
    with pytest.raises(VebiError, match="3 problems"):
        parse_config(broken)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*Config.model_fields, "other"]), JSON))
def test_nonsense_never_escapes_as_another_error(values):
    with pytest.raises(VebiError):
        parse_config(overlay(BASE, {"other": 1}) | values | {"other": 1})


def test_architecture_shapes_are_those_that_build():
    from vebi.models.nets import NetSpec, build

    for name, own in ARCHITECTURES.items():
        height, width, channels = own.shape or (own.smallest, own.smallest, 3)
        assert build(NetSpec(name, (channels, height, width), 7, 1.0)) is not None
