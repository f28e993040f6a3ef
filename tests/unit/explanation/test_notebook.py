"""How explanations look in a console and in a notebook: short, and the map over the image."""

import base64
import io
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import vebi
from vebi.explanation.notebook import over_image
from vebi.figures.text import layer_label

TEXT = re.compile(r"<[^>]*>")


@pytest.fixture(scope="module")
def explainer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 2)).eval()
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
    # Upright and lying stripes, which more than one filter tells apart.
    images[::2, :, ::2] = 255
    images[1::2, ::2] = 255
    labels = np.arange(40) % 2
    return vebi.fit(model, images, labels, mu=50, classes=["<cat>", "dog & co"]), images


def pictures(html: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def test_what_is_printed_is_short(explainer):
    one, images = explainer
    explanations = one.explain(images)
    first = explanations[0]
    assert repr(one).startswith("<Explainer of Sequential: 2 classes, ")
    assert repr(one).endswith(" of 12 features at mu = 50>")
    for thing in (one, first, first.features[0], explanations):
        assert len(repr(thing)) <= 160
        assert "\n" not in repr(thing)
    feature = first.features[0]
    assert len(first.features) == 3
    assert repr(feature) == (
        f"<Feature {feature.layer} ({feature.layer_type}): channel {feature.channel}, "
        f"{feature.share:.0%} of the evidence>"
    )
    assert repr(first) == (
        f"<Explanation by vebi: {first.predicted!r} with probability {first.confidence:.2f}, "
        "3 features, 8 x 8 pixels>"
    )
    assert repr(explanations).startswith("<40 explanations by vebi: '")
    assert repr(explanations[:0]) == "[]"


def test_a_notebook_shows_the_map_over_the_image(explainer):
    one, images = explainer
    (found,) = one.explain(images[:1], top=2)
    html = found._repr_html_()
    # Itself, all features, and each of the two: 8 pixels enlarged to 160.
    shown = pictures(html)
    assert [picture.shape for picture in shown] == [(160, 160, 3)] * 4
    np.testing.assert_array_equal(shown[0][::20, ::20, 0], images[0])
    expected = over_image(np.repeat(images[0][..., None], 3, 2), found.features[0].heatmap)
    np.testing.assert_array_equal(shown[2][::20, ::20], expected)
    assert not re.search(r"<script|<style|https?:| style=", html)
    text = TEXT.sub(" ", html)
    assert "&lt;cat&gt;" in text
    assert "dog &amp; co" in text
    assert f"{found.features[0].layer} (" in text
    several = one.explain(images[:3], method="grad_cam")
    assert several._repr_html_() == "".join(e._repr_html_() for e in several)
    assert len(pictures(several._repr_html_())) == 6


def test_the_map_covers_the_image_the_more_the_higher_it_is():
    image = np.full((1, 3, 3), 200, np.uint8)
    mixed = over_image(image, np.array([[0.0, 0.5, 1.0]], np.float32))
    np.testing.assert_array_equal(mixed[0, 0], [120, 120, 120])
    # inferno ends at (252, 255, 164) and is nine parts of ten there.
    np.testing.assert_allclose(mixed[0, 2], 0.9 * np.array([252, 255, 164]) + 12, atol=1)
    assert mixed[0, 1].max() - mixed[0, 1].min() > 60


def test_a_panel_is_a_figure_that_shows_itself_without_pyplot(tmp_path):
    code = (
        "import sys, torch, numpy as np, vebi\n"
        "from torch import nn\n"
        "_ = torch.manual_seed(0)\n"
        "model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2))\n"
        "images = np.zeros((2, 8, 8), np.uint8) + np.arange(8, dtype=np.uint8)\n"
        "figure = vebi.Explainer(model, classes=('a$b$', 'c')).panel(images, method='lrp')\n"
        "from matplotlib.figure import Figure\n"
        "assert isinstance(figure, Figure)\n"
        "html = figure._repr_html_()\n"
        "assert html.startswith('<img src=\"data:image/png;base64,'), html[:50]\n"
        "assert 'LRP' in html\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "import os; assert not os.listdir('.')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@pytest.mark.parametrize(
    ("name", "layer_type", "label"),
    [
        ("2", "conv", "2 (conv)"),
        ("net.features.10", "relu", "features.10 (relu)"),
        ("4#2", "pool", "4#2 (pool)"),
        ("net.conv1", "conv", "conv1"),
        ("layer1.0.conv2", "conv", "layer1.0.conv2"),
        ("3", "", "3"),
    ],
)
def test_a_layer_that_is_a_number_has_its_type_behind_it(name, layer_type, label):
    assert layer_label(name, layer_type) == label
