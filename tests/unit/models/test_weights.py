"""What a network starts from: state dicts, models of this project, fine-tuning."""

import numpy as np
import pytest
import torch
from torch import nn

from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.io.errors import VebiError
from vebi.models import train as training
from vebi.models.model_file import load_model, save_model
from vebi.models.nets import NetSpec, build
from vebi.models.train import TrainingSettings, network_spec, train
from vebi.models.weights import apply_weights, read_weights

CPU = torch.device("cpu")
SQUEEZENET = "torchvision:squeezenet1_1"
RATE = 1e-3


def make_dataset(path, n=24, classes=3, size=32, channels=3, splits=True):
    """Images whose class is their brightest third."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % classes
    images = rng.integers(0, 120, (n, size, size, channels)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label * size // classes : (label + 1) * size // classes] += 100
    split = (np.arange(n) >= n * 2 // 3).astype(int) * splits
    write_dataset(path, Images(images, labels, split, [f"class {i}" for i in range(classes)]))
    return open_dataset(path)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("data") / "d.h5")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A network of five classes, as a state dict and as a model file of this project."""
    folder = tmp_path_factory.mktemp("weights")
    settings = TrainingSettings(1, 8, "sgd", RATE, scale=None)
    data = make_dataset(folder / "five.h5", 20, 5)
    net, spec, _ = train(data, SQUEEZENET, settings, 3, CPU)
    save_model(folder / "model.pt", net, spec, list(data.classes))
    state = net.get_submodule("net").state_dict()
    torch.save(state, folder / "state.pth")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, folder / "ck.pth")
    return folder, net, data


@pytest.mark.parametrize("name", ["state.pth", "ck.pth", "model.pt"])
def test_a_given_network_is_used_as_it_is(source, name):
    folder, net, data = source
    settings = TrainingSettings(0, 8, "sgd", RATE, scale=None, weights=str(folder / name))
    given, spec, history = train(data, SQUEEZENET, settings, 9, CPU)
    state, expected = given.state_dict(), net.state_dict()
    assert all(torch.equal(state[key], expected[key]) for key in expected)
    images = torch.from_numpy(data.read("images").transpose(0, 3, 1, 2)).float()
    with torch.no_grad():
        scores = net(images)
    labels = torch.from_numpy(data.labels)
    train_rows = data.indices(0)
    assert list(history["epoch"]) == [0]
    loss = nn.functional.cross_entropy(scores[train_rows], labels[train_rows])
    assert history["loss"][0] == pytest.approx(float(loss), rel=1e-4)
    for split, column in ((0, "train_accuracy"), (1, "test_accuracy")):
        rows = data.indices(split)
        hits = (scores.argmax(1) == labels)[rows].float().mean()
        assert history[column][0] == pytest.approx(float(hits))
    assert spec.n_classes == 5


def test_fine_tuning_replaces_the_last_layer_from_the_seed(source, dataset):
    folder, net, _ = source
    settings = TrainingSettings(
        1, 8, "sgd", 1e-20, scale=None, weights=str(folder / "state.pth"), momentum=0.9
    )
    first, second, other = (train(dataset, SQUEEZENET, settings, s, CPU)[0] for s in (1, 1, 2))
    state, again, third = first.state_dict(), second.state_dict(), other.state_dict()
    assert all(torch.equal(state[key], again[key]) for key in state)
    source_state = net.state_dict()
    for key in state:
        if key.startswith("net.classifier"):
            assert state[key].shape[0] == 3
        elif key.startswith("net"):
            # A vanishing learning rate: what is there is what was loaded.
            torch.testing.assert_close(state[key], source_state[key], rtol=0, atol=1e-15)
    last = "net.classifier.1.weight"
    assert not torch.equal(state[last], third[last])


def test_new_outputs_without_training_are_refused(source, dataset):
    settings = TrainingSettings(0, 8, "sgd", RATE, scale=None, weights=str(source[0] / "state.pth"))
    with pytest.raises(
        VebiError, match="has 5 outputs, there are 3 classes, and nothing is trained"
    ):
        train(dataset, SQUEEZENET, settings, 0, CPU)


def moved(before, after):
    return {
        k
        for k in after
        if before[k].shape == after[k].shape and not torch.equal(before[k], after[k])
    }


def test_frozen_layers_do_not_move_and_others_do(source, dataset):
    folder, net, _ = source
    settings = TrainingSettings(
        1, 8, "sgd", RATE, 0.9, 1e-2, scale=None, weights=str(folder / "model.pt"),
        freeze_up_to="features.9",
    )  # fmt: skip
    tuned = train(dataset, SQUEEZENET, settings, 0, CPU)[0]
    changed = moved(net.state_dict(), tuned.state_dict())
    assert changed
    assert all(int(key.split(".")[2]) > 9 for key in changed)


def test_the_backbone_learns_at_its_own_rate(source, dataset):
    """One step of plain gradient descent: the change is the rate times the gradient."""
    folder, net, _ = source
    changes = []
    for factor in (1.0, 0.25):
        settings = TrainingSettings(
            1, 16, "sgd", 1e-2, scale=None, weights=str(folder / "state.pth"),
            backbone_rate_factor=factor, kwargs={"dropout": 0.0},
        )  # fmt: skip
        tuned = train(dataset, SQUEEZENET, settings, 0, CPU)[0].state_dict()
        key = "net.features.12.expand3x3.weight"
        changes.append(tuned[key] - net.state_dict()[key])
    assert changes[0].abs().max() > 1e-6
    torch.testing.assert_close(changes[1], 0.25 * changes[0], rtol=1e-2, atol=1e-7)


def test_frozen_batch_normalisation_keeps_its_statistics(dataset, tmp_path):
    spec = NetSpec("torchvision:resnet18", (3, 32, 32), 3, 1.0, (0.0,) * 3)
    torch.save(build(spec).get_submodule("net").state_dict(), tmp_path / "r.pth")
    settings = TrainingSettings(
        1, 8, "sgd", RATE, scale=None, weights=str(tmp_path / "r.pth"), freeze_up_to="layer3"
    )
    tuned = train(dataset, "torchvision:resnet18", settings, 0, CPU)[0]
    before = torch.load(tmp_path / "r.pth", weights_only=True)
    changed = moved(before, tuned.get_submodule("net").state_dict())
    assert {key.split(".")[0] for key in changed} == {"layer4", "fc"}
    assert any("running_mean" in key for key in changed)


def test_training_a_torchvision_network_from_scratch_learns(dataset, tmp_path):
    settings = TrainingSettings(6, 4, "adam", RATE, scale=None)
    net, spec, history = train(dataset, "torchvision:resnet18", settings, 5, CPU)
    assert history["train_accuracy"].iloc[-1] > 0.9
    save_model(tmp_path / "m.pt", net, spec, list(dataset.classes))
    loaded, classes = load_model(tmp_path / "m.pt")
    images = torch.rand(2, 3, 32, 32) * 255
    assert torch.equal(loaded(images), net(images))
    assert classes == list(dataset.classes)


def test_dropout_draws_from_the_seed_alone(dataset, tmp_path):
    settings = TrainingSettings(1, 8, "sgd", 1e-2, scale=None, kwargs={"dropout": 0.5})
    results = []
    for seed in (0, 0, 1):
        torch.manual_seed(int(np.random.default_rng().integers(1 << 30)))
        state = torch.get_rng_state()
        results.append(train(dataset, SQUEEZENET, settings, seed, CPU)[2]["loss"].iloc[0])
        assert torch.equal(torch.get_rng_state(), state)
    assert results[0] == results[1] != results[2]


def test_streaming_gives_the_same_bytes_as_memory(dataset, tmp_path, monkeypatch):
    settings = TrainingSettings(2, 5, "adam", RATE, scale=64.0, mean=(9.0, 8.0, 7.0))
    for name, limit in (("memory", 2**30), ("stream", 0)):
        monkeypatch.setattr(training, "MEMORY_BYTES", limit)
        net, spec, history = train(dataset, SQUEEZENET, settings, 0, CPU)
        save_model(tmp_path / f"{name}.pt", net, spec, list(dataset.classes))
        history.to_csv(tmp_path / f"{name}.csv")
    for suffix in ("pt", "csv"):
        memory, stream = (tmp_path / f"{n}.{suffix}" for n in ("memory", "stream"))
        assert memory.read_bytes() == stream.read_bytes()


def test_a_streamed_mean_image_is_the_training_split_s(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "MEMORY_BYTES", 0)
    data = make_dataset(tmp_path / "grey.h5", 30, 10, 28, 1)
    net, _, _ = train(data, "matconvnet", TrainingSettings(1, 8, "sgd", 1e-4), 0, CPU)
    expected = data.read("images", data.indices(0)).mean(0)[..., 0]
    np.testing.assert_allclose(net.get_buffer("input.mean")[0].numpy(), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"weights": "absent.pth"}, r"no file of weights 'absent.pth': looked for absent.pth and"),
        ({"weights": "imagenet-vgg-f.mat"}, "vlfeat.org"),
        ({"weights": "model.pt", "scale": 3.0}, "scale is 3.0, but .* leave it out"),
        ({"weights": "model.pt", "mean": (1.0,)}, "mean is .* has its own"),
        ({"freeze_up_to": "features.77"}, r"no layer 'features.77' with parameters; there are"),
        ({"freeze_up_to": "classifier.1"}, "'classifier.1' is the last layer"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_settings_that_do_not_fit_are_refused(source, dataset, monkeypatch, options, says):
    monkeypatch.chdir(source[0])
    monkeypatch.setenv("VEBI_DATA", "/nowhere")
    settings = TrainingSettings(1, 8, "sgd", RATE, **{"scale": None, **options})
    with pytest.raises(VebiError, match=says):
        train(dataset, SQUEEZENET, settings, 0, CPU)


def test_weights_are_also_looked_for_where_the_data_are(source, tmp_path, monkeypatch):
    folder, net, data = source
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VEBI_DATA", str(folder.parent))
    settings = TrainingSettings(0, 8, "sgd", RATE, scale=None, weights=f"{folder.name}/state.pth")
    found = train(data, SQUEEZENET, settings, 9, CPU)[0].state_dict()
    assert all(torch.equal(found[key], value) for key, value in net.state_dict().items())


class Surprise:
    def __reduce__(self):
        return (print, ("code ran",))


@pytest.mark.parametrize("content", ["pickle", "text", "list", "numbers", "empty"])
def test_foreign_files_are_refused_and_run_nothing(tmp_path, content, capfd):
    path = tmp_path / "w.pth"
    if content == "text":
        path.write_text("no weights")
    else:
        objects = {"pickle": Surprise(), "list": [1], "numbers": {"a": 1}, "empty": {}}
        torch.save(objects[content], path)
    with pytest.raises(VebiError, match=r"w\.pth.*torch.save\(network.state_dict\(\), path\)"):
        read_weights(path)
    assert "code ran" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.pop("features.0.weight"), "it lacks features.0.weight"),
        (lambda s: s.update(other=torch.zeros(1)), "it also has other"),
        (
            lambda s: s.update({"features.0.weight": torch.zeros(64, 1, 3, 3)}),
            r"'features.0.weight' has shape \(64, 1, 3, 3\).* has \(64, 3, 3, 3\)",
        ),
    ],
    ids=["missing", "foreign", "shape"],
)
def test_weights_of_another_network_are_refused(source, tmp_path, dataset, change, says):
    state = torch.load(source[0] / "state.pth", weights_only=True)
    change(state)
    torch.save(state, tmp_path / "w.pth")
    settings = TrainingSettings(0, 8, "sgd", RATE, scale=None)
    spec = network_spec(dataset, SQUEEZENET, settings, None)
    with pytest.raises(VebiError, match=says):
        apply_weights(build(spec), spec, read_weights(tmp_path / "w.pth"), [dataset.classes])


def test_a_model_file_of_another_architecture_is_refused(source, dataset):
    settings = TrainingSettings(0, 8, "sgd", RATE, weights=str(source[0] / "model.pt"), scale=None)
    with pytest.raises(VebiError, match="holds weights of 'torchvision:squeezenet1_1'"):
        train(dataset, "torchvision:resnet18", settings, 0, CPU)
