import numpy as np
import pytest
import torch

from vebi.data import digits
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.io.errors import VebiError
from vebi.models.model_file import load_model, save_model
from vebi.models.train import TrainingSettings, accuracy, to_batch, train

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(2, 32, "sgd", 0.01, 0.9, 5e-4, None, 64.0)


@pytest.fixture(scope="module")
def some_digits(tmp_path_factory):
    path = tmp_path_factory.mktemp("digits") / "d.h5"
    data = digits.load()
    rows = slice(0, 400)
    write_dataset(
        path, Images(data.images[rows], data.labels[rows], data.split[rows], data.classes)
    )
    return open_dataset(path)


def test_same_seed_same_bytes_other_seed_other_weights(some_digits, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        torch.manual_seed(len(name) + seed * 7)
        net, spec, history = train(some_digits, "matconvnet", SETTINGS, seed, CPU)
        save_model(tmp_path / f"{name}.pt", net, spec, list(some_digits.classes))
        assert len(history) == 2
    content = {name: (tmp_path / f"{name}.pt").read_bytes() for name in "abc"}
    assert content["a"] == content["b"] != content["c"]


def test_history_is_the_accuracy_of_the_saved_network(some_digits, tmp_path):
    net, spec, history = train(some_digits, "matconvnet", SETTINGS, 0, CPU)
    save_model(tmp_path / "m.pt", net, spec, list(some_digits.classes))
    loaded, classes = load_model(tmp_path / "m.pt")
    rows = some_digits.indices(1)
    images = to_batch(some_digits.read("images", rows))
    measured = accuracy(loaded, images, torch.from_numpy(some_digits.labels[rows]), CPU)
    assert measured == history["test_accuracy"].iloc[-1]
    assert measured > 0.8
    assert classes == [str(d) for d in range(10)]
    assert not any(p.requires_grad for p in loaded.parameters())


@pytest.mark.parametrize("optimiser", ["sgd", "adam", "rmsprop"])
def test_every_optimiser_learns(some_digits, optimiser):
    rate = {"sgd": 0.01, "adam": 1e-3, "rmsprop": 3e-4}[optimiser]
    settings = TrainingSettings(3, 16, optimiser, rate, scale=64.0, momentum=0.5)
    _, _, history = train(some_digits, "matconvnet", settings, 0, CPU)
    assert history["train_accuracy"].iloc[-1] > 0.9


def test_mean_image_is_of_the_training_split_only(some_digits):
    net, _, _ = train(some_digits, "matconvnet", TrainingSettings(1, 64, "sgd", 1e-3), 0, CPU)
    expected = some_digits.read("images", some_digits.indices(0)).mean(0)[..., 0]
    assert np.allclose(net.get_buffer("input.mean")[0].numpy(), expected, atol=1e-4)


def test_divergence_is_an_error_that_names_the_remedy(some_digits):
    settings = TrainingSettings(5, 32, "sgd", 1e6, 0.9)
    with pytest.raises(VebiError, match=r"diverged in epoch .* lower learning_rate"):
        train(some_digits, "matconvnet", settings, 0, CPU)


def test_an_empty_training_split_is_an_error(tmp_path):
    data = digits.load()
    write_dataset(
        tmp_path / "d.h5", Images(data.images[:5], data.labels[:5], np.ones(5), data.classes)
    )
    with pytest.raises(VebiError, match="no training images"):
        train(open_dataset(tmp_path / "d.h5"), "matconvnet", SETTINGS, 0, CPU)


class Surprise:
    def __reduce__(self):
        return (print, ("code ran",))


@pytest.mark.parametrize("content", ["pickle", "truncated", "text", "other"])
def test_foreign_files_are_refused_and_run_nothing(some_digits, tmp_path, content, capfd):
    path = tmp_path / "m.pt"
    net, spec, _ = train(some_digits, "matconvnet", TrainingSettings(1, 64, "sgd", 1e-3), 0, CPU)
    save_model(path, net, spec, list(some_digits.classes))
    if content == "pickle":
        torch.save({"spec": Surprise()}, path)
    elif content == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif content == "text":
        path.write_text("no model")
    else:
        torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(VebiError, match=r"m\.pt.*Delete it"):
        load_model(path)
    assert "code ran" not in capfd.readouterr().out
