"""`vebi explain` on a user's own network: files in, panel and numbers out, clear refusals."""

import base64
import io
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import vebi
from vebi.catalogue.methods import METHODS
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors import open_descriptors
from vebi.explanation.image_files import explain_files
from vebi.explanation.input_shape import find_shape
from vebi.explanation.network_source import NetworkSource
from vebi.io.errors import VebiError
from vebi.models.factory import call_factory
from vebi.models.model_file import save_model
from vebi.models.nets import NetSpec, build
from vebi.selection.path_file import read_solution

# The score of a colour is how much of it there is: its outputs are red, green, blue.
SOURCE = """
import torch
from torch import nn

def make(n_outputs=3):
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                        nn.Linear(3, n_outputs))
    # Small scores: with a softmax of 1 on every copy nothing would correlate.
    for weight, value in ((net[0].weight, 1.0), (net[4].weight, 0.05)):
        nn.init.zeros_(weight)
        with torch.no_grad():
            weight[range(3), range(3)] = value
    nn.init.zeros_(net[0].bias), nn.init.zeros_(net[4].bias)
    return net

def many():
    return make(5)
"""
COLOURS = ["red", "green", "blue"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A user's folder: code, weights, and photographs in a folder per class."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "colour_nets.py").write_text(SOURCE)
    rng = np.random.default_rng(0)
    for channel, colour in enumerate(COLOURS):
        (folder / "photos" / colour).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 90, (20, 24, 3)).astype(np.uint8)
            pixels[5:15, 5:15, channel] = 250
            Image.fromarray(pixels).save(folder / "photos" / colour / f"{number}.png")
    Image.fromarray(np.full((9, 9), 3, np.uint8)).save(folder / "grey.png")
    return folder


@pytest.fixture(autouse=True)
def _inside(project, monkeypatch):
    monkeypatch.chdir(project)
    yield
    sys.modules.pop("colour_nets", None)


def run(images, data, out, method="vebi", mu=None, **options):
    source = NetworkSource(**{"size": 16, "data": data, **options})
    return explain_files(images, source, out, method=method, mu=mu, device="cpu")


def test_the_command_writes_panel_and_numbers(project, tmp_path):
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "vebi.cli",
                "explain",
                "photos/green/0.png",
                "photos/red/1.png",
            ),
            *("--factory", "colour_nets:make", "--data", "photos", "--classes", "red,green,blue"),
            *("--size", "16", "--mu", "2", "--top", "2", "--out", str(tmp_path)),
        ],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        *("explanation.png", "explanation.pdf", "explanation.json"),
        *("dataset.h5", "descriptors.h5", "path.h5"),
    }
    content = json.loads((tmp_path / "explanation.json").read_text())
    assert content["accuracy"] == 1.0
    assert content["network"] == "colour_nets:make"
    green, red = content["images"]
    assert (green["predicted"], red["predicted"]) == ("green", "red")
    # The class's own colour channel is what tells it from the others.
    assert green["features"][0]["channel"] == 1
    assert red["features"][0]["channel"] == 0
    weights = read_solution(tmp_path / "path.h5").weights_at(2)
    layers = open_descriptors(tmp_path / "descriptors.h5").layer_names
    first = green["features"][0]
    assert first["weight"] == weights[1][3 * layers.index(first["layer"]) + 1]
    assert green["scores"][0]["class"] == "green"


def test_a_wrong_order_of_the_classes_is_noticed(project, tmp_path):
    with pytest.raises(VebiError, match=r"would be on 100% with red,green,blue.*--classes red,gr"):
        run([], project / "photos", tmp_path, factory="colour_nets:make")


def test_a_wrong_order_that_was_asked_for_is_a_warning(project, tmp_path, caplog):
    run(
        [project / "photos/red/0.png"],
        project / "photos",
        tmp_path,
        factory="colour_nets:make",
        classes=["blue", "green", "red"],
    )
    assert "Is the order right?" in caplog.text


def test_every_way_to_give_a_network(project, tmp_path):
    torch.manual_seed(0)
    spec = NetSpec("factory:colour_nets.py:make", (3, 16, 16), 3, 1.0)
    net = build(spec)
    torch.save(net.state_dict(), tmp_path / "w.pth")
    squeezenet = NetSpec("torchvision:squeezenet1_1", (3, 32, 32), 3, 64.0, (0.0, 0.0, 0.0))
    save_model(tmp_path / "m.pt", build(squeezenet), squeezenet, COLOURS)
    images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3)).astype(np.uint8)
    labels = np.arange(12) % 3
    write_dataset(tmp_path / "d.h5", Images(images, labels, np.zeros(12), COLOURS))
    image = [project / "photos/red/0.png"]
    results = []
    for name, options in (
        ("file", {"factory": "colour_nets.py:make", "weights": str(tmp_path / "w.pth")}),
        ("model", {"weights": str(tmp_path / "m.pt")}),
        ("named", {"architecture": "torchvision:squeezenet1_1", "weights": str(tmp_path / "m.pt")}),
    ):
        out = tmp_path / name
        run(image, tmp_path / "d.h5", out, method="grad_cam", **options)
        results.append(json.loads((out / "explanation.json").read_text())["images"][0])
    assert results[1] == results[2]
    assert results[0] != results[1]
    assert results[1]["features"] == []


def test_a_model_file_that_names_code_needs_it_named(project, tmp_path):
    spec = NetSpec("factory:colour_nets:make", (3, 16, 16), 3, 1.0)
    save_model(tmp_path / "m.pt", build(spec), spec, COLOURS)
    image, out = [project / "photos/red/0.png"], tmp_path / "out"
    options = {"weights": str(tmp_path / "m.pt"), "classes": COLOURS}
    with pytest.raises(VebiError, match="pass --factory colour_nets:make"):
        run(image, project / "photos", out, **options)
    run(image, project / "photos", out, factory="colour_nets:make", **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "No network: give --run, or --factory"),
        ({"architecture": "torchvision:resnet18"}, "random weights: give --weights as well"),
        ({"factory": "a:b", "architecture": "vgg_f"}, "give one of them"),
        ({"factory": "colour_nets"}, "not of the form"),
        ({"factory": "colour_nets:many"}, "5 outputs, and none is known to stand for blue, green"),
        ({"factory": "colour_nets:make", "weights": "absent.pth"}, "no file of weights"),
        ({"factory": "colour_nets:make", "weights": "grey.png"}, "can't be read as weights"),
        ({"factory": "colour_nets:make", "method": "gradcam"}, "Unknown heatmap method 'gradcam'"),
        ({"factory": "colour_nets:make", "classes": ["red", "gren"]}, "Did you mean 'green'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_is_missing_or_wrong_is_said(project, tmp_path, options, says):
    with pytest.raises(VebiError, match=says):
        run([project / "grey.png"], project / "photos", tmp_path, **options)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_the_catalogue_explains_files(project, tmp_path, method):
    """With images to select on; and without, unless features are ranked by relevance."""
    image = [project / "photos/red/0.png"]
    options = {"factory": "colour_nets:make", "classes": COLOURS, "method": method}
    run(image, project / "photos", tmp_path / "with", **options)
    contents = [json.loads((tmp_path / "with/explanation.json").read_text())]
    if METHODS[method].metric == "relevance":
        with pytest.raises(VebiError, match=f"'{method}' needs features selected on images"):
            run(image, None, tmp_path / "without", **options)
    else:
        run(image, None, tmp_path / "without", **options)
        contents.append(json.loads((tmp_path / "without/explanation.json").read_text()))
        assert "mu" not in contents[1]
    for content in contents:
        assert content["method"] == method
        (found,) = content["images"]
        assert found["predicted"] == "red"
        assert bool(found["features"]) == (METHODS[method].explains == "features")
        assert {f["metric"] for f in found["features"]} <= {METHODS[method].metric}


def test_a_network_s_own_mean_image_is_missed(project, tmp_path):
    """Weights of an architecture of ours without the mean image, and no images to take one of."""
    spec = NetSpec("patch_cnn", (3, 16, 16), 3, 64.0)
    state = build(spec).state_dict()
    del state["input.mean"]
    torch.save(state, tmp_path / "w.pth")
    options = {"architecture": "patch_cnn", "weights": str(tmp_path / "w.pth"), "classes": COLOURS}
    image = [project / "photos/red/0.png"]
    with pytest.raises(VebiError, match=r"subtracts a mean image, which .* does not hold"):
        run(image, None, tmp_path, method="lrp", **options)
    run(image, project / "photos", tmp_path, method="lrp", **options)


def test_an_image_that_is_none_is_named(project, tmp_path):
    with pytest.raises(VebiError, match=r"colour_nets\.py can't be read as an image"):
        run(
            [project / "colour_nets.py"],
            project / "photos",
            tmp_path,
            factory="colour_nets:make",
            classes=COLOURS,
        )


def test_a_folder_of_one_class_is_refused(project, tmp_path):
    (tmp_path / "data/one").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(tmp_path / "data/one/a.png")
    with pytest.raises(VebiError, match="has 1 folders with images; two or more"):
        run([], tmp_path / "data", tmp_path, factory="colour_nets:make")


# Its output number 217 is how green an image is, number 0 how red, and others stay low.
THOUSAND = """
import torch
from torch import nn

class Squeezed(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())
        self.head = nn.Linear(3, 1000)
        with torch.no_grad():
            self.features[0].weight.copy_(torch.eye(3)[:, :, None, None])
            self.features[0].bias.zero_(), self.head.weight.zero_(), self.head.bias.fill_(-9.0)
            self.head.bias[[0, 217]] = 0.0
            self.head.weight[0, 0] = self.head.weight[217, 1] = 0.05

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))

class Fixed(Squeezed):
    def forward(self, x):
        x = self.features(x).flatten(1)
        return self.head(x.view(-1, 3, 256).mean(2)) if x.shape[1] == 768 else 1 / 0

def make():
    return Squeezed()

def fixed():
    return Fixed()

def grey():
    return nn.Sequential(nn.Conv2d(1, 2, 28), nn.Flatten(), nn.ReLU(), nn.Linear(2, 2))
"""


def test_folders_named_as_some_of_a_thousand_outputs(project, tmp_path):
    """By wnid and by name, in an order that is not the outputs'; one image each is enough."""
    (project / "thousand.py").write_text(THOUSAND)
    results = []
    for number, (red, green) in enumerate(
        [("n01440764", "n02102040"), ("Tench", "english_springer")]
    ):
        data = tmp_path / f"data{number}"
        for name, colour in ((red, "red"), (green, "green")):
            (data / name).mkdir(parents=True)
            Image.open(project / f"photos/{colour}/0.png").save(data / name / "only.png")
        out = tmp_path / f"out{number}"
        image = [project / "photos/green/1.png"]
        run(image, data, out, factory="thousand.py:make", mu=1, method="deconv_gb")
        results.append(json.loads((out / "explanation.json").read_text()))
        assert open_descriptors(out / "descriptors.h5").split.tolist() == [0, 0]
    assert [content["accuracy"] for content in results] == [1.0, 1.0]
    names = [content["images"][0]["predicted"] for content in results]
    assert names == ["English springer", "english_springer"]
    assert results[0]["images"][0]["features"][0]["channel"] == 1


def test_features_are_those_that_fit_selects(project, tmp_path):
    """On all images of the folders: the same weights as `vebi.fit` finds."""
    options = {"factory": "colour_nets:make", "classes": COLOURS, "mu": 2.0}
    run([project / "photos/red/0.png"], project / "photos", tmp_path, **options)
    solution = read_solution(tmp_path / "path.h5")
    data = open_dataset(tmp_path / "dataset.h5")
    assert solution.n_samples == len(data) == 24
    net = build(NetSpec("factory:colour_nets:make", (3, 16, 16), 3, 1.0))
    fitted = vebi.fit(net, data.read("images"), data.labels, mu=2.0)
    assert fitted.solution is not None
    np.testing.assert_allclose(
        solution.weights_at(2.0), fitted.solution.weights_at(2.0), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("factory", "images", "expected"),
    [
        ("make", (20, 24), (224, 224, 3)),  # any size will do: the usual one for photographs
        ("make", (32, 32), (32, 32, 3)),  # all images alike
        ("grey", (20, 24), (28, 28, 1)),  # the network's only size
        ("grey", (32, 32), (28, 28, 1)),
    ],
)
def test_size_and_colours_are_the_network_s(project, factory, images, expected):
    (project / "thousand.py").write_text(THOUSAND)
    net = call_factory(f"thousand.py:{factory}", {})
    assert find_shape(net, None, None, [images] * 3).shape == expected


def test_a_network_that_takes_none_of_the_usual_sizes(project, tmp_path):
    (project / "thousand.py").write_text(THOUSAND)
    options = {"factory": "thousand.py:fixed", "method": "gradient_x_input"}
    image = [project / "photos/green/1.png"]
    with pytest.raises(VebiError, match=r"takes no image of 224, 28, 32, 64, ... .*--size PIXELS"):
        run(image, None, tmp_path, **options, size=None)
    # Without --classes: the outputs of 1,000 are ImageNet's.
    run(image, None, tmp_path, **options, size=16)
    (found,) = json.loads((tmp_path / "explanation.json").read_text())["images"]
    assert found["predicted"] == "English springer"


def test_a_page_with_the_maps_over_the_images(project, tmp_path):
    """One file that loads nothing; names are text whatever signs they hold."""
    classes = ["<b>red", "$green$", "blue"]
    source = NetworkSource(factory="colour_nets:make", classes=classes, size=16)
    image = [project / "photos/red/0.png", project / "photos/green/0.png"]
    written = explain_files(image, source, tmp_path, method="lrp", device="cpu", html=True)
    page = (tmp_path / "explanation.html").read_text()
    assert tmp_path / "explanation.html" in written
    assert "&lt;b&gt;red" in page
    assert "$green$" in page
    assert "<b>red" not in page
    sources = re.findall(r'(?:src|href)="(.{0,22})', page)
    assert len(sources) == 2 * 3
    assert all(text.startswith("data:image/png;base64,") for text in sources)
    maps = re.findall(r'class="map" src="data:image/png;base64,([^"]*)"', page)
    shapes = {np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))).shape for one in maps}
    assert shapes == {(16, 16, 4)}
