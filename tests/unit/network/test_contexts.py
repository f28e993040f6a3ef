"""Number formats, layouts, and what can stand around a network or a call."""

import copy
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import vebi
from vebi.catalogue.methods import METHODS
from vebi.heatmaps import Targets, merged_maps
from vebi.io.errors import VebiError
from vebi.network import evaluating, list_layers, responses, run
from vebi.network.scores import probabilities
from vebi.studies.ablation.ablate import ablate_batch, as_ablation

METHOD_NAMES = [name for name in METHODS if not name.startswith("resampling")]


class Net(nn.Module):
    """Convolutions with stride and groups, normalisation, a pooling, a hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.a, self.norm = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8)
        self.b = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.hidden, self.head = nn.Linear(8 * 16, 12), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.a(x)))
        x = functional.max_pool2d(functional.relu(self.b(x)), 2)
        return self.head(functional.relu(self.hidden(x.flatten(1))))


class Autocast(Net):
    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().forward(x)


def images_of(n: int = 3) -> Tensor:
    return torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(1))


FEATURES = np.tile(np.array([(0, 1), (3, 2), (4, 3)]), (3, 1, 1))


def maps_of(net: nn.Module, images: Tensor, names=METHOD_NAMES) -> dict[str, Tensor]:
    layers = list_layers(net, images)
    sources = {METHODS[name].source: FEATURES for name in ("deconv_gb", "upsampled_activation")}
    targets = Targets(np.array([0, 1, 2]), sources)
    found = merged_maps(net, images, layers, targets, names, ig_steps=4)
    scores, values = responses(net, images, layers, [layers[4]])
    removed = ablate_batch(net, images, layers, [as_ablation([(0, 1), (4, 2)], layers)])
    return found | {"scores": scores, "response": values[0], "ablation": removed[0]}


FORMATS = {
    "double": (lambda net: net.double(), 1e-4),
    "half": (lambda net: net.half(), 0.03),
    "bfloat16": (lambda net: net.bfloat16(), 0.2),
    "channels_last": (lambda net: net.to(memory_format=torch.channels_last), 1e-4),
    "autocast": (lambda net: _autocast(net), 0.2),
}


def _autocast(net: Net) -> Net:
    net.__class__ = Autocast
    return net


@pytest.mark.parametrize("name", FORMATS)
def test_number_formats_and_layouts(name: str) -> None:
    change, tolerance = FORMATS[name]
    images, net = images_of(), change(Net()).eval()
    expected = maps_of(Net(), images)
    for method, value in maps_of(net, images).items():
        scale = float(expected[method].abs().max())
        assert scale > 0, method
        difference = (value.float() - expected[method]).abs()
        # Rounding turns single ReLUs and winners of a pooling; most places agree.
        assert float(difference.mean()) < tolerance * scale / 4, method
        assert float(difference.quantile(0.9)) < tolerance * scale, method


def test_half_precision_does_not_overflow() -> None:
    """Whole maps of thousands go back: their signals are far out of half precision's range."""
    net = Net().half()
    with torch.no_grad():
        net.a.weight.mul_(300)
        net.b.weight.mul_(20)
        net.norm.running_var.fill_(4.0)
    images = images_of()
    half, full = maps_of(net, images, ["vebi"]), maps_of(net.float(), images, ["vebi"])
    assert half["vebi"].isfinite().all()
    assert (half["vebi"] - full["vebi"]).abs().mean() < 0.01


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_inference_mode(method: str) -> None:
    images, net = images_of(), Net()
    expected = maps_of(net, images, [method])
    with torch.inference_mode():
        # A tensor of inference mode, too.
        found = maps_of(net, images * 1, [method])
    for name, value in found.items():
        assert torch.equal(value, expected[name]), name


def test_a_network_of_inference_mode_is_described_but_has_no_gradients() -> None:
    with torch.inference_mode():
        net = Net()
    images = images_of()
    layers = list_layers(net, images)
    assert torch.equal(responses(net, images, layers)[0], Net().eval()(images))
    with pytest.raises(VebiError, match=r"made inside torch\.inference_mode"):
        maps_of(net, images, ["vebi"])
    maps_of(copy.deepcopy(net), images, ["vebi"])


def test_threads_share_a_network() -> None:
    net = Net().train()
    net.norm.eval()
    images, results, errors = images_of(), {}, []
    expected = maps_of(copy.deepcopy(net), images)
    start = threading.Barrier(4)

    def work(number: int) -> None:
        try:
            start.wait()
            for _ in range(3):
                results[number] = maps_of(net, images)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(results) == 4
    for found in results.values():
        for name, value in found.items():
            torch.testing.assert_close(value, expected[name], msg=name)
    assert net.training
    assert net.a.training
    assert not net.norm.training


def test_the_last_block_to_leave_sets_the_modes_back() -> None:
    net = Net().train()
    first, second = evaluating(net), evaluating(net)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not net.a.training
    second.__exit__(None, None, None)
    assert net.a.training


class Failing(Net):
    def forward(self, x: Tensor) -> Tensor:
        super().forward(x)
        raise KeyError("mine")


@pytest.mark.parametrize("call", [run, list_layers])
def test_modes_after_an_exception(call) -> None:
    net = Failing().train()
    net.norm.eval()
    with pytest.raises(KeyError, match="mine"):
        call(net, images_of(1))
    assert net.training
    assert net.a.training
    assert not net.norm.training
    assert not any(module._forward_pre_hooks for module in net.modules())


@pytest.mark.filterwarnings("ignore")
def test_data_parallel() -> None:
    net, images = nn.DataParallel(Net()), images_of()
    assert [x.name for x in list_layers(net, images)] == [
        x.name for x in list_layers(Net(), images)
    ]
    expected = maps_of(Net(), images)
    for name, value in maps_of(net, images).items():
        assert torch.equal(value, expected[name]), name


def inside(net: Net) -> Net:
    net.b = torch.compile(net.b, backend="eager")
    return net


def function(net: Net) -> Net:
    net.forward = torch.compile(net.forward, backend="eager")
    return net


COMPILED = {
    "whole": lambda net: torch.compile(net, backend="eager"),
    "a layer": inside,
    "a function": function,
}


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_networks_are_read_as_written(name: str) -> None:
    images, net = images_of(), Net().eval()
    expected = maps_of(net, images)
    compiled = COMPILED[name](Net().eval())
    with torch.no_grad():
        compiled(images)  # compiled before, with code for these shapes
    for method, value in maps_of(compiled, images).items():
        assert torch.equal(value, expected[method]), method


def scripted(net: Net) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(net)


def traced(net: Net) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(net, images_of(1))


def exported(net: Net) -> nn.Module:
    return torch.export.export(net, (images_of(2),)).module()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (scripted, "network is a TorchScript module.*before scripting"),
        (traced, "network is a TorchScript module.*before scripting"),
        (exported, "exported from"),
    ],
)
def test_closed_networks_are_refused(change, message: str) -> None:
    with pytest.raises(VebiError, match=message):
        list_layers(change(Net().eval()), images_of(1))


class Softmax(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).softmax(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_probabilities_are_a_softmax_once(dtype: torch.dtype) -> None:
    scores = torch.randn(5, 7, dtype=dtype) * 4
    expected = scores.double().softmax(1)
    assert torch.equal(probabilities(scores), expected)
    own = scores.softmax(1)
    assert torch.equal(probabilities(own), own.double())
    torch.testing.assert_close(probabilities(scores.log_softmax(1)), expected, rtol=0.1, atol=0.05)
    # One row that is not a distribution: the network's scores are none.
    mixed = torch.cat([own, scores[:1]])
    assert torch.equal(probabilities(mixed), mixed.double().softmax(1))


def raw_images(n: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3)).astype(np.uint8)


def standardise(batch: Tensor) -> Tensor:
    return (batch / 255 - 0.5) / 0.25


def test_the_confidence_of_a_network_that_ends_in_softmax() -> None:
    images, labels = raw_images(), np.arange(12) % 3
    plain, ending = (
        vebi.fit(net, images, labels, preprocess=standardise).explain(images)
        for net in (Net(), Softmax())
    )
    for one, other in zip(plain, ending, strict=True):
        assert other.predicted == one.predicted
        assert other.confidence == pytest.approx(one.confidence, rel=1e-5)
        assert [s.name for s in other.scores] == [s.name for s in one.scores]


def test_one_output_is_refused_with_the_way_out() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(784, 1))
    with pytest.raises(VebiError, match=r"one score z.*torch\.cat\(\[-z, z\], 1\) / 2"):
        vebi.fit(net, raw_images())

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> Tensor:
            z = self.net(x)
            return torch.cat([-z, z], 1) / 2

    (e,) = vebi.fit(Two(), raw_images(), np.arange(12) % 2).explain(raw_images(1))
    batch = torch.from_numpy(raw_images(1)).permute(0, 3, 1, 2).float()
    sigmoid = float(torch.sigmoid(net(batch).double()))
    assert e.confidence == pytest.approx(max(sigmoid, 1 - sigmoid), rel=1e-5)


class SomeNaN(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * torch.tensor([1.0, torch.nan, 1.0])


def test_scores_that_are_nan() -> None:
    with pytest.raises(VebiError, match="class scores are NaN"):
        vebi.fit(SomeNaN(), raw_images(), np.arange(12) % 3)


def test_how_many_features_and_images() -> None:
    images = raw_images()
    explainer = vebi.fit(Net(), images, np.arange(12) % 3, mu=5, preprocess=standardise)
    everything = explainer.explain(images[:3], top=10**6)
    relevant = explainer.explain(images[:3], top=50)
    assert max(len(one.features) for one in everything) > 1
    for one, other in zip(everything, relevant, strict=True):
        assert len(one.features) == len(other.features) > 0
        assert sum(f.share or 0 for f in one.features) == pytest.approx(1)
        np.testing.assert_array_equal(one.heatmap, other.heatmap)
    assert explainer.explain(images[:1], top=0)[0].features == ()
    with pytest.raises(VebiError, match="top is -1"):
        explainer.explain(images, top=-1)
    for nothing in (images[:0], np.zeros((0, 3, 16, 16), np.float32)):
        with pytest.raises(VebiError, match="no images"):
            explainer.explain(nothing)


@pytest.mark.parametrize("channels", [2, 6])
def test_pictures_of_images_with_other_than_1_or_3_channels(channels: int) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(784, 3))
    images = np.random.default_rng(0).integers(0, 256, (9, 16, 16, channels)).astype(np.uint8)
    explainer = vebi.fit(net, images, np.arange(9) % 3)
    for given in (images, images.transpose(0, 3, 1, 2).astype(np.float32)):
        explanations = explainer.explain(given[:2])
        explanations.panel()
        e = explanations[0]
        assert e.image.shape == (16, 16, 1)
        mean = images[0].mean(2)
        # From black to white: an affine function of the channels' mean.
        assert np.corrcoef(e.image[..., 0].ravel(), mean.ravel())[0, 1] > 0.999


def test_a_preprocess_that_crops_shows_what_the_network_sees() -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 24, 20, 3)).astype(np.uint8)

    def crop(batch: Tensor) -> Tensor:
        return standardise(batch[:, :, 4:20, 2:18])

    explainer = vebi.fit(Net(), images, np.arange(9) % 3, preprocess=crop)
    (e,) = explainer.explain(images[:1])
    assert e.image.shape == (16, 16, 3)
    assert e.heatmap.shape == (16, 16)
    seen = images[0, 4:20, 2:18].astype(float)
    assert np.corrcoef(e.image.ravel(), seen.ravel())[0, 1] > 0.999


def test_images_of_the_user_are_left_alone() -> None:
    class Writing(Net):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.sub_(100.0).div_(50.0))

    raw = raw_images()
    ready = raw.transpose(0, 3, 1, 2).astype(np.float32)
    tensor = torch.from_numpy(ready.copy())
    labels = np.arange(12) % 3
    found = []
    for images in (raw, ready, tensor):
        before = copy.deepcopy(images)
        found.append(vebi.fit(Writing(), images, labels).explain(images)[0].heatmap)
        assert type(images) is type(before)
        np.testing.assert_array_equal(np.asarray(images), np.asarray(before))
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], atol=1e-6)


def test_which_methods_are_tried() -> None:
    assert sum(METHODS[name].explains == "features" for name in METHOD_NAMES) >= 4
    assert len(METHOD_NAMES) >= 11
