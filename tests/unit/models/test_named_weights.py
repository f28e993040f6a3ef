"""Torchvision's weights by name: downloaded for real from a file of this machine, then from the cache."""

import hashlib

import numpy as np
import pytest
import torch

from vebi.catalogue.methods import get_method
from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.config.models import ModelConfig
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.explanation.network_source import NetworkSource, find_network
from vebi.io.errors import VebiError
from vebi.models.model_file import load_model, save_model
from vebi.models.named_weights import read_named_weights
from vebi.models.torchvision_nets import MEAN, SCALE
from vebi.models.train import TrainingSettings, train

declare_missing_ops()
CPU = torch.device("cpu")
SQUEEZENET = "torchvision:squeezenet1_1"
NAME = "IMAGENET1K_V1"
# In another order than that of ImageNet's outputs, where they are 701, 0, 217.
CLASSES = {"parachute": 701, "tench": 0, "English springer": 217}


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    """A network of 1,000 outputs with random weights, under a name with its checksum."""
    from torchvision import models

    torch.manual_seed(0)
    state = models.squeezenet1_1(weights=None).state_dict()
    folder = tmp_path_factory.mktemp("server")
    torch.save(state, folder / "w.pth")
    digest = hashlib.sha256((folder / "w.pth").read_bytes()).hexdigest()
    return (folder / "w.pth").rename(folder / f"squeezenet1_1-{digest[:8]}.pth"), state


@pytest.fixture
def url(monkeypatch, tmp_path):
    """Sets where torchvision says that its weights are; torch's cache is empty."""
    from torchvision.models import SqueezeNet1_1_Weights

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VEBI_DATA", raising=False)
    entry = SqueezeNet1_1_Weights.IMAGENET1K_V1.value
    return lambda text: monkeypatch.setattr(entry, "url", text)


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (9, 64, 64, 3), np.uint8)
    names = list(CLASSES)
    write_dataset(tmp_path / "d.h5", Images(images, np.arange(9) % 3, np.arange(9) // 6, names))
    return open_dataset(tmp_path / "d.h5")


def test_a_network_by_name_has_the_rows_of_the_classes(weights_file, url, dataset, tmp_path):
    path, state = weights_file
    url(path.as_uri())
    settings = TrainingSettings(0, 8, "sgd", 0.1, scale=None, weights=NAME)
    net, spec, history = train(dataset, SQUEEZENET, settings, 0, CPU)
    found = net.get_submodule("net").state_dict()
    rows = list(CLASSES.values())
    for key, value in state.items():
        wanted = value[rows] if key.startswith("classifier.1") else value
        assert torch.equal(found[key], wanted), key
    assert spec.mean == pytest.approx(MEAN)
    assert spec.scale == pytest.approx(SCALE)
    # Its scores are those of the whole network at the three outputs.
    from torchvision import models

    whole = models.squeezenet1_1(weights=None).eval()
    whole.load_state_dict(state)
    images = torch.from_numpy(dataset.read("images").transpose(0, 3, 1, 2)).float()
    normalised = (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(SCALE)[:, None, None]
    with torch.no_grad():
        scores = whole(normalised)[:, rows]
        torch.testing.assert_close(net(images), scores, rtol=1e-4, atol=1e-5)
    hits = scores.argmax(1).numpy() == dataset.labels
    assert history["test_accuracy"][0] == pytest.approx(hits[6:].mean())
    save_model(tmp_path / "m.pt", net, spec, list(dataset.classes))
    assert torch.equal(load_model(tmp_path / "m.pt")[0](images), net(images))


def test_what_was_downloaded_is_read_from_the_cache(weights_file, url, tmp_path):
    path, state = weights_file
    url(path.as_uri())
    first = read_named_weights(SQUEEZENET, NAME)
    assert first.path == tmp_path / "home/hub/checkpoints" / path.name
    # A closed port of this machine: it is not asked.
    url(f"http://127.0.0.1:9/{path.name}")
    second = read_named_weights(SQUEEZENET, NAME)
    assert all(torch.equal(second.content[key], value) for key, value in state.items())
    assert second.classes[0][217] == "English springer"


def test_the_data_folder_comes_first(weights_file, url, tmp_path, monkeypatch):
    path, _ = weights_file
    url(f"http://127.0.0.1:9/{path.name}")
    monkeypatch.setenv("VEBI_DATA", str(tmp_path))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / path.name).write_bytes(path.read_bytes())
    assert read_named_weights(SQUEEZENET, NAME).path.parent == tmp_path / "weights"


def test_a_damaged_file_is_found_by_its_checksum(weights_file, url, tmp_path):
    path, _ = weights_file
    url(path.as_uri())
    read_named_weights(SQUEEZENET, NAME)
    (tmp_path / "home/hub/checkpoints" / path.name).write_bytes(b"torn off")
    with pytest.raises(VebiError, match=r"SHA-256 .*damaged or another one"):
        read_named_weights(SQUEEZENET, NAME)


def test_a_download_with_another_checksum_is_not_kept(weights_file, url, tmp_path):
    path, _ = weights_file
    (tmp_path / "squeezenet1_1-00000000.pth").write_bytes(path.read_bytes())
    url((tmp_path / "squeezenet1_1-00000000.pth").as_uri())
    with pytest.raises(VebiError, match="could not be downloaded"):
        read_named_weights(SQUEEZENET, NAME)
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


def test_without_network_three_ways_out_are_named(url):
    url("http://127.0.0.1:9/squeezenet1_1-b8a52dc0.pth")
    with pytest.raises(VebiError) as raised:
        read_named_weights(SQUEEZENET, NAME)
    for way in ("(1) put squeezenet1_1-b8a52dc0.pth", "VEBI_DATA", "(2) give", "(3) connect"):
        assert way in str(raised.value)


def test_unknown_names_are_refused_with_those_that_there_are():
    with pytest.raises(
        VebiError, match="no weights 'IMAGENET1K_V9' for squeezenet1_1; it has IMAG"
    ):
        read_named_weights(SQUEEZENET, "IMAGENET1K_V9")


@pytest.mark.parametrize("network", ["densenet121", "googlenet", "inception_v3", "resnet18"])
def test_old_files_fit_todays_networks(network, url, tmp_path, monkeypatch):
    """Files as torchvision still serves them: dots in layers' names, second heads, no batch counts."""
    import re

    from torchvision import models

    size = 96 if network == "inception_v3" else 64
    extras = {"aux_logits": True, "init_weights": False} if "o" in network[:3] else {}
    if network == "inception_v3":
        extras = {"aux_logits": True, "init_weights": False}
    torch.manual_seed(1)
    state = models.get_model(network, weights=None, **extras).state_dict()
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|relu|conv))([12]\.)", r"\1.\2", key): value
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
    torch.save(old, tmp_path / "w.pth")
    digest = hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()
    file = (tmp_path / "w.pth").rename(tmp_path / f"{network}-{digest[:8]}.pth")
    entry = models.get_model_weights(network).IMAGENET1K_V1
    monkeypatch.setattr(entry.value, "url", file.as_uri())
    images = np.zeros((4, size, size, 3), np.uint8)
    write_dataset(
        tmp_path / "d.h5",
        Images(images, np.arange(4) % 2, np.arange(4) // 2, ["tench", "parachute"]),
    )
    settings = TrainingSettings(0, 8, "sgd", 0.1, scale=None, weights=NAME)
    net = train(open_dataset(tmp_path / "d.h5"), f"torchvision:{network}", settings, 0, CPU)[0]
    # The same scores as torchvision's own way to load them.
    whole = models.get_model(network, weights=entry).eval()
    raw = torch.rand(2, 3, size, size) * 255
    preset = entry.transforms()
    mean, std = (255 * torch.tensor(values)[:, None, None] for values in (preset.mean, preset.std))
    with torch.no_grad():
        torch.testing.assert_close(
            net(raw), whole((raw - mean) / std)[:, [0, 701]], rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"architecture": "vgg_f"}, "for an architecture torchvision:NAME only"),
        ({"mean": [1.0, 2.0, 3.0]}, "mean: leave it out"),
        ({"scale": 2.0}, "scale: leave it out"),
    ],
)
def test_the_configuration_refuses_what_names_do_not_go_with(keys, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**{"architecture": SQUEEZENET, "weights": NAME, "epochs": 0, **keys})


def test_a_network_is_explained_with_weights_by_name_and_nothing_else(weights_file, url, tmp_path):
    path, state = weights_file
    url(path.as_uri())
    source = NetworkSource(architecture=SQUEEZENET, weights=NAME)
    found = find_network(source, get_method("grad_cam"), tmp_path)
    assert found.shape == (224, 224, 3)
    assert len(found.explainer.classes) == 1000
    assert found.explainer.classes[217] == "English springer"
    kept = found.explainer.model.get_submodule("net").state_dict()
    assert all(torch.equal(kept[key], value) for key, value in state.items())
