"""`vebi.fit`, `vebi.load`, `vebi.explain`: any network, compared with the same steps taken one by one."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import vebi
from vebi.catalogue.descriptors import DESCRIPTORS, get_descriptor
from vebi.catalogue.methods import METHODS
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors import describe, describe_batch
from vebi.io.errors import VebiError
from vebi.network import list_layers, to_network_input
from vebi.selection.select import solve_paths

CLASSES = ["left", "right", "none"]


class Branched(nn.Module):
    """A user's network: two branches, a functional ReLU that is used twice, raw pixels in."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.wide = nn.Conv2d(3, 6, 5, stride=2, padding=2)
        self.narrow = nn.Conv2d(3, 6, 1, stride=2)
        self.mix = nn.Conv2d(12, 8, 3, groups=2, padding=1)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = x / 255 - 0.5
        y = torch.cat([functional.relu(self.wide(x)), functional.relu(self.narrow(x))], 1)
        return self.head(functional.adaptive_max_pool2d(self.mix(y).relu(), 1).flatten(1))


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 16, 16, 3)).astype(np.uint8)
    return Branched().eval(), images, np.arange(60) % 3


@pytest.fixture(scope="module")
def explainer(scene):
    model, images, labels = scene
    return vebi.fit(model, images, labels, mu=20, classes=CLASSES)


@pytest.fixture(scope="module")
def files(scene, tmp_path_factory):
    """The same selection by the pipeline's own steps."""
    model, images, labels = scene
    folder = tmp_path_factory.mktemp("files")
    write_dataset(folder / "d.h5", Images(images, labels, np.zeros(60), CLASSES))
    describe(model, open_dataset(folder / "d.h5"), folder / "x.h5")
    solve_paths(folder / "x.h5", folder / "path.h5", mus=[5, 20])
    return folder / "x.h5", folder / "path.h5"


def test_fit_selects_what_the_pipeline_selects(scene, explainer, files):
    loaded = vebi.load(scene[0], *files, mu=20)
    ours, theirs = explainer.solution.weights_at(20), loaded.solution.weights_at(20)
    assert np.abs(ours).sum(1) == pytest.approx([20] * 3)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    assert explainer.solution.relative_gap.max() < 1e-6
    assert loaded.classes == tuple(CLASSES)
    table = explainer.selected
    assert list(table.columns) == ["class", "layer", "channel", "layer_type", "weight"]
    assert len(table) == (ours != 0).sum()
    assert set(table["class"]) == set(CLASSES)
    assert table["weight"].abs().sum() == pytest.approx(60)


def test_blocks_of_any_size_give_the_same_selection(scene, explainer):
    model, images, labels = scene
    other = vebi.fit(model, images, labels, mu=20, batch_size=7)
    np.testing.assert_allclose(
        other.solution.weights_at(20), explainer.solution.weights_at(20), rtol=1e-3, atol=1e-3
    )


def test_explanations_are_the_weighted_responses(scene, explainer):
    model, images, _ = scene
    layers = list_layers(model, to_network_input(images[:1]))
    logits, x = describe_batch(
        model, to_network_input(images[:5]), layers, DESCRIPTORS["vebi_text"]
    )
    weights = explainer.solution.weights_at(20)
    index = explainer.solution.index
    for n, e in enumerate(explainer.explain(images[:5], top=4)):
        predicted = int(logits[n].argmax())
        assert e.predicted == CLASSES[predicted]
        assert e.scores[0].name == e.predicted
        assert e.scores[0].score == pytest.approx(float(logits[n].max()), rel=1e-5)
        total = sum(np.exp(score.score) for score in e.scores)
        assert [s.probability for s in e.scores] == pytest.approx(
            [np.exp(s.score) / total for s in e.scores]
        )
        products = weights[predicted] * x[n].numpy()
        best = np.argsort(-products)[:4]
        found = [(f.layer, f.channel) for f in e.features]
        assert found == [(index.layer[i], index.channel[i]) for i in best if products[i] > 0]
        for f, i in zip(e.features, best, strict=False):
            assert f.weight * f.response == pytest.approx(products[i], rel=1e-5)
            assert f.share == pytest.approx(products[i] / products[products > 0].sum(), rel=1e-5)
        np.testing.assert_array_equal(e.heatmap, np.max([f.heatmap for f in e.features], 0))


def test_files_and_one_call_give_the_same_explanations(scene, files):
    model, images, _ = scene
    loaded = vebi.load(model, *files, mu=5)
    direct = vebi.explain(model, images[:3], *files, mu=5, top=2)
    for one, two in zip(direct, loaded.explain(images[:3], top=2), strict=True):
        assert one.predicted == two.predicted
        assert [f.channel for f in one.features] == [f.channel for f in two.features]
        np.testing.assert_array_equal(one.heatmap, two.heatmap)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_explains(scene, explainer, method):
    (e,) = explainer.explain(scene[1][:1], method=method)
    assert e.method == method
    assert e.heatmap.shape == (16, 16)
    assert 0 <= e.heatmap.min() <= e.heatmap.max() <= 1
    how = METHODS[method]
    if how.explains == "features":
        assert len(e.features) > 0
        assert all(f.spatial for f in e.features) or not how.spatial_only
    else:
        assert e.features == ()
        assert e.heatmap.any()


@pytest.mark.parametrize("method", METHODS)
def test_without_a_selection_every_method_but_the_relevance_s_explains(scene, explainer, method):
    alone = vebi.Explainer(scene[0], classes=tuple(CLASSES))
    if METHODS[method].metric == "relevance":
        with pytest.raises(vebi.VebiError, match="features that the mu-Lasso has selected"):
            alone.explain(scene[1][:2], method=method)
        return
    found = zip(
        alone.explain(scene[1][:2], method=method),
        explainer.explain(scene[1][:2], method=method),
        strict=True,
    )
    for ours, theirs in found:
        assert ours.scores == theirs.scores
        np.testing.assert_array_equal(ours.heatmap, theirs.heatmap)
        assert [(f.layer, f.channel, f.value) for f in ours.features] == [
            (f.layer, f.channel, f.value) for f in theirs.features
        ]
        assert {f.weight for f in ours.features} <= {None}
        assert None not in {f.weight for f in theirs.features}
        assert {f.metric for f in ours.features} <= {METHODS[method].metric}
    with pytest.raises(vebi.VebiError, match="No features have been selected"):
        _ = alone.selected


def test_draws_follow_an_image_s_place_and_not_its_batch(scene):
    """Images 0 to 4 in batches of any size: the copies of each are the same."""
    some, method = scene[1][:5], "resampling_correlation"
    at_once = vebi.Explainer(scene[0], classes=tuple(CLASSES)).explain(some, method=method)
    in_parts = vebi.Explainer(scene[0], classes=tuple(CLASSES), batch_size=2)
    for one, two in zip(at_once, in_parts.explain(some, method=method), strict=True):
        assert [(f.layer, f.channel) for f in one.features] == [
            (f.layer, f.channel) for f in two.features
        ]
        assert [f.value for f in one.features] == pytest.approx([f.value for f in two.features])


class Inner(nn.Module):
    """The same network without its own preprocessing."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net((x + 0.5) * 255)


def test_images_are_raw_pixels_or_what_the_network_takes(scene, explainer):
    model, images, labels = scene
    inner = Inner(model)

    def preprocess(batch):
        return batch / 255 - 0.5

    ready = preprocess(torch.from_numpy(images).permute(0, 3, 1, 2).float())
    for fitted, given in (
        (vebi.fit(inner, images, labels, mu=20, preprocess=preprocess), images),
        (vebi.fit(inner, ready, labels, mu=20), ready),
        (vebi.fit(inner, ready.numpy(), labels, mu=20), ready.numpy()),
    ):
        np.testing.assert_allclose(
            fitted.solution.weights_at(20), explainer.solution.weights_at(20), rtol=1e-2, atol=1e-2
        )
        for one, two in zip(fitted.explain(given[:4]), explainer.explain(images[:4]), strict=True):
            assert CLASSES[int(one.predicted)] == two.predicted
            assert one.image.dtype == np.uint8
            assert one.image.shape == two.image.shape


def test_grey_images_need_no_axis_of_channels(scene):
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(784, 2))
    images = scene[1][..., 0]
    labels = np.arange(60) % 2
    with_axis = vebi.fit(model, images[..., None], labels).explain(images[:2, ..., None])
    without = vebi.fit(model, images, labels).explain(images[:2])
    assert [e.scores for e in with_axis] == [e.scores for e in without]
    assert without[0].image.shape == (16, 16, 1)


def test_without_labels_the_predictions_are_explained(scene):
    model, images, _ = scene
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    predictions = model(batch).argmax(1).numpy()
    ours, theirs = vebi.fit(model, images, mu=5), vebi.fit(model, images, predictions, mu=5)
    np.testing.assert_array_equal(ours.solution.weights_at(5), theirs.solution.weights_at(5))
    assert ours.solution.labels == "predictions"


def test_a_class_without_images_has_no_features(scene):
    model, images, labels = scene
    fitted = vebi.fit(model, images, labels % 2, mu=5)
    weights = fitted.solution.weights_at(5)
    assert weights[:2].any(axis=1).all()
    assert not weights[2].any()


def test_the_convolutions_only(scene):
    model, images, labels = scene
    fitted = vebi.fit(model, images, labels, mu=5, scope="conv")
    assert set(fitted.selected["layer_type"]) == {"conv"}


def test_a_panel_is_a_picture_and_a_vector_graphic(scene, explainer, tmp_path):
    figure = explainer.panel(scene[1][:2], tmp_path / "p.png", top=2)
    images = [axes for axes in figure.axes if axes.images]
    assert len(images) == 2 * (1 + 2)
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "p.pdf").read_bytes()[:4] == b"%PDF"
    explainer.panel(scene[1][:1], tmp_path / "c.png", method="grad_cam")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labels": np.arange(59)}, r"shape \(59,\).*shape \(60,\)"),
        ({"labels": np.zeros(60)}, "type float64"),
        ({"labels": np.full(60, 3)}, "labels: classes from 3 to 3, the network has 0 to 2"),
        ({"labels": np.full(60, -1)}, "from -1 to -1"),
        ({"images": np.zeros((4, 4), np.uint8)}, r"shape \(4, 4\)"),
        ({"images": np.zeros((60, 16, 16, 3), int)}, "type int64; expected are uint8"),
        ({"images": np.zeros((0, 16, 16, 3), np.uint8), "labels": None}, "no images"),
        ({"classes": ["a"]}, "1 names of classes, but the network has 3 outputs"),
        ({"descriptor": "l3"}, "Unknown descriptor 'l3'; known: vebi_text"),
        ({"mu": -1}, "mu = -1"),
        ({"scope": "Conv"}, "Unknown scope 'Conv'; known: all, conv"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_does_not_fit_is_said(scene, change, says):
    model, images, labels = scene
    arguments = {"images": images, "labels": labels, "mu": 10, **change}
    with pytest.raises(VebiError, match=says):
        vebi.fit(model, arguments.pop("images"), arguments.pop("labels"), **arguments)


def test_another_network_s_selection_is_refused(scene, files):
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(784, 3))
    with pytest.raises(VebiError, match="layer 'wide', which this one does not have"):
        vebi.explain(other, scene[1][:1], *files)
    with pytest.raises(VebiError, match=r"absent\.h5: no such file"):
        vebi.explain(scene[0], scene[1][:1], files[0], "absent.h5")


def test_importing_the_package_takes_no_torch():
    code = "import sys, vebi; assert 'torch' not in sys.modules; vebi.fit; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="fitt"):
        vebi.fitt  # type: ignore[attr-defined] # noqa: B018


def test_the_example_of_the_readme_runs(root, tmp_path):
    section = (root / "README.md").read_text().split("### Explain your own model")[1]
    example = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert example is not None
    (tmp_path / "example.py").write_text(example[1])
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert {"panel.png", "panel.pdf"} <= {path.name for path in tmp_path.iterdir()}


class Counted(nn.Module):
    """A network that counts its forward passes, outside of itself: it stays the same."""

    passes = 0

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.a, self.b, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        Counted.passes += 1
        return self.head(torch.relu(self.b(torch.relu(self.a(x)))).mean((2, 3)))


@pytest.mark.parametrize(
    ("method", "expected"),
    [(name, 1) for name in ("grad_cam", "gradient_x_input", "guided_backprop", "lrp")]
    + [(name, 2) for name in ("vebi", "vebi_conv", "deconv_gb", "upsampled_activation")]
    + [("integrated_gradients", 17)],
)
def test_how_often_a_network_runs_for_an_explanation(method: str, expected: int) -> None:
    """Once for a method of the class, which tells the class as well; features have to be chosen first."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 10, 10, 3)).astype(np.uint8)
    explainer = vebi.fit(Counted(), images, np.arange(12) % 3, mu=5)
    Counted.passes = 0
    first = explainer.explain(images[:4], method)
    assert Counted.passes == expected
    again = explainer.explain(images[:4], method)
    assert Counted.passes == 2 * expected
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.heatmap, other.heatmap)


def test_layers_without_weights_change_nothing() -> None:
    """Columns of the layers that are needed are as in a whole descriptor, others zero."""
    net, descriptor = Counted().eval(), get_descriptor("vebi_text")
    batch = torch.rand(2, 3, 10, 10)
    layers = list_layers(net, batch)
    scores, whole = describe_batch(net, batch, layers, descriptor)
    again, part = describe_batch(net, batch, layers, descriptor, {1, 3})
    positions = np.repeat(np.arange(4), 8)
    is_needed = torch.from_numpy(np.isin(positions, (1, 3)))
    assert torch.equal(scores, again)
    assert torch.equal(part, torch.where(is_needed, whole, 0.0))
    assert whole[:, ~is_needed].any()
