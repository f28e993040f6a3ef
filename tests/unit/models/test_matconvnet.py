"""MatConvNet's files compared with a twin that computes what its manual says, in numpy."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import savemat

from vebi.io.errors import VebiError
from vebi.models.matconvnet import read_matconvnet, state_for
from vebi.models.nets import NetSpec, build
from vebi.models.weights import apply_weights, read_weights

# VGG-F as in imagenet-vgg-f.mat: name, type, and what it is made with.
LRN, ENDS = [5, 2, 1e-4, 0.75], [0, 1, 0, 1]
VGG_F = [
    ("conv1", "conv", {"size": (11, 11, 3, 64), "stride": [4, 4], "pad": [0, 0, 0, 0]}),
    ("relu1", "relu", {}),
    ("norm1", "lrn", {"param": LRN}),
    ("pool1", "pool", {"method": "max", "pool": [3, 3], "stride": [2, 2], "pad": ENDS}),
    ("conv2", "conv", {"size": (5, 5, 64, 256), "stride": [1, 1], "pad": [2, 2, 2, 2]}),
    ("relu2", "relu", {}),
    ("norm2", "lrn", {"param": LRN}),
    ("pool2", "pool", {"method": "max", "pool": [3, 3], "stride": [2, 2], "pad": [0, 0, 0, 0]}),
    ("conv3", "conv", {"size": (3, 3, 256, 256), "stride": [1, 1], "pad": [1, 1, 1, 1]}),
    ("relu3", "relu", {}),
    ("conv4", "conv", {"size": (3, 3, 256, 256), "stride": [1, 1], "pad": [1, 1, 1, 1]}),
    ("relu4", "relu", {}),
    ("conv5", "conv", {"size": (3, 3, 256, 256), "stride": [1, 1], "pad": [1, 1, 1, 1]}),
    ("relu5", "relu", {}),
    ("pool5", "pool", {"method": "max", "pool": [3, 3], "stride": [2, 2], "pad": ENDS}),
    ("fc6", "conv", {"size": (6, 6, 256, 4096), "stride": [1, 1], "pad": [0, 0, 0, 0]}),
    ("relu6", "relu", {}),
    ("fc7", "conv", {"size": (1, 1, 4096, 4096), "stride": [1, 1], "pad": [0, 0, 0, 0]}),
    ("relu7", "relu", {}),
    ("fc8", "conv", {"size": (1, 1, 4096, 1000), "stride": [1, 1], "pad": [0, 0, 0, 0]}),
    ("prob", "softmax", {}),
]
# MatConvNet's MNIST example: small, for everything that is not about VGG-F.
MNIST = [
    ("conv1", "conv", {"size": (5, 5, 1, 20), "stride": 1, "pad": 0}),
    ("pool1", "pool", {"method": "max", "pool": [2, 2], "stride": 2, "pad": 0}),
    ("conv2", "conv", {"size": (5, 5, 20, 50), "stride": 1, "pad": 0}),
    ("pool2", "pool", {"method": "max", "pool": [2, 2], "stride": 2, "pad": 0}),
    ("fc3", "conv", {"size": (4, 4, 50, 500), "stride": 1, "pad": 0}),
    ("relu3", "relu", {}),
    ("fc4", "conv", {"size": (1, 1, 500, 10), "stride": 1, "pad": 0}),
    ("loss", "softmaxloss", {}),
]


def cell(values):
    """A MATLAB cell array, 1 x n."""
    array = np.empty((1, len(values)), object)
    for i, value in enumerate(values):
        array[0, i] = value
    return array


def filled(table, rng):
    """Layers with random weights, single as in MatConvNet's files."""
    layers = []
    for name, kind, options in table:
        layer = {"name": name, "type": kind, **options}
        if kind == "conv":
            h, w, c, n = layer.pop("size")
            weight = rng.standard_normal((h, w, c, n), np.float32) * np.float32(
                (2 / (h * w * c)) ** 0.5
            )
            layer["weights"] = (weight, rng.standard_normal((1, n), np.float32) * np.float32(0.1))
        layers.append(layer)
    return layers


def write(path, layers, mean, classes, form="new"):
    """Save in one of the two layouts that MatConvNet's files have had."""
    cells = []
    for layer in layers:
        layer = dict(layer)
        if "weights" in layer and form == "old":
            layer["filters"], layer["biases"] = layer.pop("weights")
        elif "weights" in layer:
            layer["weights"] = cell(layer["weights"])
        if form == "old" and layer["type"] == "lrn":
            layer["type"] = "normalize"
        cells.append(
            {k: np.asarray(v, float) if isinstance(v, list) else v for k, v in layer.items()}
        )
    size = np.array([[*mean.shape[:2], 1.0 if mean.ndim == 2 else 3.0]])
    normalization = {"imageSize": size, "averageImage": mean, "keepAspect": 0.0}
    names = {"name": cell(classes), "description": cell([f"a {name}" for name in classes])}
    if form == "old":
        content = {"normalization": normalization, "classes": names}
    else:
        content = {"meta": {"normalization": normalization, "classes": names}}
    content["layers"] = cell(cells)
    savemat(path, {"net": content} if form == "net" else content)


def twin(layers, image):
    """The scores of an image (H, W, C) float64, from the definitions in MatConvNet's manual."""
    x = image
    for layer in layers:
        stride = np.broadcast_to(layer.get("stride", 1), 2)
        top, bottom, left, right = np.broadcast_to(layer.get("pad", 0), 4)
        edges = ((top, bottom), (left, right), (0, 0))
        if layer["type"] == "conv":
            weight, bias = (part.astype(float) for part in layer["weights"])
            windows = np.lib.stride_tricks.sliding_window_view(
                np.pad(x, edges), weight.shape[:2], axis=(0, 1)
            )[:: stride[0], :: stride[1]]  # (H, W, in, h, w)
            x = np.tensordot(windows, weight, ((3, 4, 2), (0, 1, 2))) + bias.ravel()
        elif layer["type"] == "relu":
            x = np.maximum(x, 0)
        elif layer["type"] == "pool":
            padded = np.pad(x, edges, constant_values=-np.inf)
            windows = np.lib.stride_tricks.sliding_window_view(padded, layer["pool"], axis=(0, 1))
            x = windows[:: stride[0], :: stride[1]].max((3, 4))
        elif layer["type"] == "lrn":
            # y_k = x_k (kappa + alpha sum_{t in G(k)} x_t^2)^-beta, G(k) = [k - (N-1)/2, k + (N-1)/2]
            n, kappa, alpha, beta = layer["param"]
            reach, y = (n - 1) // 2, np.empty_like(x)
            for k in range(x.shape[2]):
                group = x[:, :, max(0, k - reach) : k + reach + 1]
                y[:, :, k] = x[:, :, k] * (kappa + alpha * (group**2).sum(2)) ** -beta
            x = y
    return x.ravel()


def network(architecture, shape, n_classes, path, classes):
    weights = read_weights(path)
    spec = NetSpec(architecture, shape, n_classes, weights.scale)
    net = build(spec)
    apply_weights(net, spec, weights, [classes])
    return net


def test_vgg_f_gives_the_scores_that_matconvnet_s_definitions_give(tmp_path):
    rng = np.random.default_rng(0)
    layers = filled(VGG_F, rng)
    mean = rng.uniform(100, 130, (224, 224, 3)).astype(np.float32)
    wnids = [f"n{i:08d}" for i in range(1000)]
    write(tmp_path / "imagenet-vgg-f.mat", layers, mean, wnids)
    net = network("vgg_f", (3, 224, 224), 1000, tmp_path / "imagenet-vgg-f.mat", wnids)
    (tmp_path / "imagenet-vgg-f.mat").unlink()
    image = rng.integers(0, 256, (224, 224, 3))
    with torch.no_grad():
        ours = net(torch.from_numpy(image.transpose(2, 0, 1)[None]).float())[0].numpy()
    expected = twin(layers, image - mean.astype(float))
    # The scores are sums of terms of their own size, so float32 keeps about 1e-5 of the largest.
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.fixture(scope="module")
def mnist():
    rng = np.random.default_rng(1)
    return filled(MNIST, rng), rng.uniform(20, 40, (28, 28)).astype(np.float32)


DIGITS = [str(d) for d in range(10)]


@pytest.mark.parametrize("form", ["new", "old", "net"])
def test_every_layout_of_the_file_is_read(tmp_path, mnist, form):
    layers, mean = mnist
    write(tmp_path / "m.mat", layers, mean, DIGITS, form)
    file = read_matconvnet(tmp_path / "m.mat")
    assert file.classes == tuple(DIGITS)
    assert file.descriptions[3] == "a 3"
    net = network("matconvnet", (1, 28, 28), 10, tmp_path / "m.mat", DIGITS)
    image = np.random.default_rng(2).integers(0, 256, (28, 28, 1))
    ours = net(torch.from_numpy(image.transpose(2, 0, 1)[None]).float())[0].detach().numpy()
    expected = twin(layers, image - mean[..., None].astype(float))
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_a_mean_colour_stands_for_a_mean_image(tmp_path, mnist):
    layers, _ = mnist
    write(tmp_path / "m.mat", layers, np.array([[33.0]], np.float32), DIGITS)
    net = network("matconvnet", (1, 28, 28), 10, tmp_path / "m.mat", DIGITS)
    assert net.get_buffer("input.mean").shape == (1, 28, 28)
    assert (net.get_buffer("input.mean") == 33).all()


def test_filter_groups_have_the_shape_that_torch_gives_them(tmp_path):
    # MatConvNet: a filter of a grouped convolution has only its own group's input channels.
    rng = np.random.default_rng(3)
    layers = filled([("conv", "conv", {"size": (3, 3, 2, 8), "stride": 1, "pad": 0})], rng)
    write(tmp_path / "g.mat", layers, np.zeros((5, 5), np.float32), ["a"])
    module = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 3, groups=2))
    state = state_for(read_matconvnet(tmp_path / "g.mat"), module, (5, 5))
    module.load_state_dict(state)
    x = rng.standard_normal((5, 5, 4)).astype(np.float32)
    ours = module(torch.from_numpy(x.transpose(2, 0, 1)[None]))[0].detach().numpy()
    weight, bias = layers[0]["weights"]
    for half, inputs in ((slice(0, 4), slice(0, 2)), (slice(4, 8), slice(2, 4))):
        part = {**layers[0], "weights": (weight[..., half], bias[:, half])}
        expected = twin([part], x[..., inputs]).reshape(3, 3, 4).transpose(2, 0, 1)
        np.testing.assert_allclose(ours[half], expected, atol=1e-5)


def test_outputs_are_put_in_the_order_of_the_data_set_by_name(tmp_path, mnist):
    layers, mean = mnist
    write(tmp_path / "m.mat", layers, mean, [f"n{d}" for d in DIGITS])
    image = torch.rand(1, 1, 28, 28) * 255
    whole = network("matconvnet", (1, 28, 28), 10, tmp_path / "m.mat", [f"n{d}" for d in DIGITS])
    some = network("matconvnet", (1, 28, 28), 3, tmp_path / "m.mat", ["n7", "n0", "n4"])
    torch.testing.assert_close(some(image)[0], whole(image)[0, [7, 0, 4]], rtol=1e-5, atol=1e-4)
    by_description = network("matconvnet", (1, 28, 28), 2, tmp_path / "m.mat", ["a n9", "a n1"])
    torch.testing.assert_close(
        by_description(image)[0], whole(image)[0, [9, 1]], rtol=1e-5, atol=1e-4
    )


def changed(mnist, name, **options) -> tuple[list[dict], Any]:
    layers, mean = mnist
    layers = [{**layer, **(options if layer["name"] == name else {})} for layer in layers]
    return layers, mean


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("conv2", {"stride": 2}, "'conv2' has kernel, stride, padding and response size"),
        ("conv2", {"pad": [1, 1, 1, 1]}, "'conv2' has kernel"),
        ("pool1", {"pool": [3, 3]}, "'pool1' has kernel"),
        ("pool1", {"method": "avg"}, "pooling by 'avg'"),
        ("relu3", {"type": "sigmoid"}, "type 'sigmoid', which is not handled"),
        (
            "relu3",
            {"type": "dropout"},
            "conv pool conv pool conv conv; expected",
        ),
        (
            "conv2",
            {"weights": (np.zeros((5, 5, 20, 40), np.float32), np.zeros((1, 40)))},
            "'conv2' has weights",
        ),
        (
            "conv2",
            {"weights": (np.zeros((5, 5, 20, 50), np.float32), np.zeros((1, 4)))},
            "50 filters and 4 biases",
        ),
        ("conv2", {"weights": ()}, "no weights"),
    ],
)
def test_a_file_of_another_network_is_refused_by_layer(tmp_path, mnist, name, options, says):
    layers, mean = changed(mnist, name, **options)
    write(tmp_path / "m.mat", layers, mean, DIGITS)
    with pytest.raises(VebiError, match=says):
        network("matconvnet", (1, 28, 28), 10, tmp_path / "m.mat", DIGITS)


def test_padding_at_the_end_only_counts_through_the_size(tmp_path, mnist):
    # 24 pixels pooled by 2: one more row at the end starts no further window.
    for name, (layers, mean) in (
        ("plain", mnist),
        ("padded", changed(mnist, "pool1", pad=[0, 1, 0, 1])),
    ):
        write(tmp_path / f"{name}.mat", layers, mean, DIGITS)
    plain, padded = (
        network("matconvnet", (1, 28, 28), 10, tmp_path / f"{name}.mat", DIGITS).state_dict()
        for name in ("plain", "padded")
    )
    assert plain.keys() == padded.keys()
    assert all(torch.equal(plain[key], padded[key]) for key in plain)


def test_other_parameters_of_normalisation_are_refused(tmp_path):
    layers = filled([("norm", "lrn", {"param": [5, 1, 1e-4, 0.75]})], np.random.default_rng(0))
    write(tmp_path / "n.mat", layers, np.zeros((5, 5), np.float32), ["a"])
    ours = torch.nn.Sequential(torch.nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2))
    with pytest.raises(VebiError, match="'norm' has param"):
        state_for(read_matconvnet(tmp_path / "n.mat"), ours, (5, 5))


def test_a_mean_image_of_another_size_is_refused(tmp_path, mnist):
    write(tmp_path / "m.mat", mnist[0], np.zeros((32, 32), np.float32), DIGITS)
    with pytest.raises(VebiError, match=r"mean image has shape \(1, 32, 32\)"):
        network("matconvnet", (1, 28, 28), 10, tmp_path / "m.mat", DIGITS)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no matrix", "can't be read"),
        (b"", "can't be read"),
        ({"params": np.zeros(3)}, "no cell array 'layers'"),
        ({"layers": np.zeros(3)}, "no cell array 'layers'"),
        ({"layers": cell([np.zeros(3)])}, "type ''"),
    ],
)
def test_other_files_are_refused(tmp_path, content, says):
    path = tmp_path / "x.mat"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        savemat(path, content)
    with pytest.raises(VebiError, match=says):
        read_matconvnet(path)


def test_a_truncated_file_is_refused(tmp_path, mnist):
    path = tmp_path / "m.mat"
    write(path, mnist[0], mnist[1], DIGITS)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(VebiError, match="can't be read"):
        read_matconvnet(path)
