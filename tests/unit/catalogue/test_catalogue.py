"""The catalogue's records: what they name is there, and nothing else lists them again."""

import ast
import inspect
import subprocess
import sys
from typing import get_args

import pytest

from vebi.catalogue.architectures import ARCHITECTURES
from vebi.catalogue.descriptors import DESCRIPTORS, get_descriptor
from vebi.catalogue.methods import (
    CHANCE,
    DRAWN,
    METHODS,
    get_method,
    in_order,
    pairs_of,
    references_of,
)
from vebi.catalogue.record import by_name, resolve
from vebi.config.datasets import DatasetConfig, parse_dataset
from vebi.io.errors import VebiError
from vebi.perturbation.perturbations import PERTURBATIONS
from vebi.record import record

KINDS = get_args(get_args(DatasetConfig)[0])


def parameters(function):
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_method_s_functions_are_there(method):
    assert parameters(resolve(method.function)) == ["batch"]
    if method.explains == "features":
        assert parameters(resolve(method.source)) == ["subject", "k"]
        assert method.metric
    else:
        assert method.source == method.metric == ""


@pytest.mark.parametrize("own", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_an_architecture_s_function_takes_its_kwargs(own):
    assert parameters(resolve(own.function)) == ["shape", "n_classes", *own.kwargs]


@pytest.mark.parametrize("descriptor", DESCRIPTORS.values(), ids=DESCRIPTORS)
def test_a_descriptor_s_functions_are_there(descriptor):
    assert parameters(resolve(descriptor.statistic)) == ["responses"]
    assert parameters(resolve(descriptor.layers)) == ["layers"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_data_set_kind_s_loader_takes_its_section(kind):
    if kind.loader:
        write = resolve(kind.loader)
        assert parameters(write) == ["config", "path", "cache"]
        assert inspect.signature(write).parameters["config"].annotation is kind
    else:
        # Rendered by rules of its own.
        assert kind.__name__ == "An8FlowerConfig"


@pytest.mark.parametrize("study", ["iou", "artefacts", "occlusion", "sanity"])
def test_every_method_is_compared_once_with_every_reference_that_is_there(study):
    references = references_of(study)
    names = ["grad_cam", *references, "vebi"] if "vebi" not in references else list(references)
    pairs = pairs_of(study, names)
    assert len(pairs) == len(set(pairs)) == len(references) * (len(names) - 1)
    assert {reference for _, reference in pairs} == set(references)
    assert all(method != reference for method, reference in pairs)
    assert pairs_of(study, ["grad_cam", "lrp"]) == []


def test_a_section_from_plain_values_is_the_section():
    config = parse_dataset({"kind": "mnist", "train_images": 100, "test_images": None})
    assert parse_dataset(config.model_dump()) == config
    assert config.loader == "vebi.data.mnist:write"


def test_descriptors_follow_from_each_other_where_only_the_norm_s_power_differs():
    follows = {
        (a, b) for a in DESCRIPTORS for b in DESCRIPTORS if DESCRIPTORS[a].gives(DESCRIPTORS[b])
    }
    assert follows == {(a, a) for a in DESCRIPTORS} | {
        ("vebi_text", "vebi_code"),
        ("vebi_code", "vebi_text"),
    }


def test_names_stand_in_the_order_of_the_figures():
    assert list(DRAWN) == [*METHODS, CHANCE.name]
    assert in_order(["random", "lrp", "vebi", "deconv_gb", "nobody"]) == [
        *("deconv_gb", "vebi", "lrp", "random")
    ]
    # The paper's orderings in Fig. 8, and chance.
    assert set(references_of("iou")) == {"deconv_gb", "upsampled_activation", "random"}
    assert references_of("nothing") == ()


def test_what_is_unknown_is_said_with_what_is_known():
    with pytest.raises(
        VebiError, match=r"Unknown heatmap method 'lpr'; known: upsampled_.* mean lrp"
    ):
        get_method("lpr")
    with pytest.raises(VebiError, match="Unknown descriptor 'l3'; known: vebi_text, vebi_code"):
        get_descriptor("l3")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("os:system", "not of the form vebi.module:name"),
        ("vebi:fit", "not of the form"),
        ("vebi.io.errors", "not of the form"),
        ("vebi.io.errors:a b", "not of the form"),
        ("vebi.absent:f", "names nothing: No module named"),
        ("vebi.io.errors:absent", "names nothing: .*no attribute 'absent'"),
    ],
)
def test_only_functions_of_the_package_can_be_named(text, says):
    with pytest.raises(VebiError, match=says):
        resolve(text)


def test_a_name_stands_once():
    @record
    class Thing:
        name: str

    with pytest.raises(ValueError, match="'a' is in the catalogue twice"):
        by_name([Thing(name="a"), Thing(name="b"), Thing(name="a")])
    with pytest.raises(TypeError):
        Thing("a")  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Thing(name="a").name = "b"  # type: ignore[misc]


def test_the_catalogue_and_the_configuration_import_neither_numpy_nor_torch():
    code = (
        "import sys, vebi.config, vebi.catalogue.methods, vebi.catalogue.architectures, "
        "vebi.catalogue.descriptors, vebi.perturbation.perturbations as p\n"
        "assert not {'numpy', 'torch', 'scipy'} & set(sys.modules), 'imported'\n"
        "assert p.segment(p.np.zeros((1, 9, 9))).shape == (9, 9)\n"
        "assert 'numpy' in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Where a sentence, a claim of the paper or a published number is about the methods that it names.
ABOUT_METHODS = {
    *("claims/vebi_paper.py", "report/findings.py"),
    *("studies/robustness/comparisons.py", "studies/robustness/robustness_file.py"),
    # A ranking of features by relevance has the name of the method that it is from.
    *("studies/identifiability/rankings.py", "studies/identifiability/rivals_file.py"),
}


def test_methods_are_named_in_the_catalogue_alone(root):
    package = root / "workflow/vebi"
    # The package and the selection of features are called vebi as well.
    names = set(METHODS) - {"vebi"}
    found = set()
    for path in package.rglob("*.py"):
        place = path.relative_to(package).as_posix()
        if place.startswith("catalogue/"):
            continue
        watched = names | ({"vebi"} if place.startswith("heatmaps/") else set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and node.value in watched:
                found.add(place)
    assert found == ABOUT_METHODS
    script = (package / "report/page/report.js").read_text()
    assert not [name for name in names if f'"{name}"' in script]


def test_perturbations_are_told_apart_in_figures():
    labels = [one.label for one in PERTURBATIONS.values()]
    assert len(set(labels)) == len(labels)
