from dataclasses import replace

import numpy as np
import pytest
import torch

from vebi.data import digits
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.io.errors import VebiError
from vebi.models.model_file import load_model, save_model
from vebi.models.train import (
    TrainingSettings,
    _train_epoch,
    accuracy,
    predict,
    to_batch,
    train,
)
from vebi.run.checkpoint import Checkpoint

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


ROUNDED = TrainingSettings(2, 32, "rmsprop", 1e-3, scale=64.0, precision="bfloat16")


def test_products_in_bfloat16_leave_weights_and_test_accuracy_in_float32(some_digits, tmp_path):
    exact, _, _ = train(some_digits, "matconvnet", replace(ROUNDED, precision="float32"), 0, CPU)
    net, spec, history = train(some_digits, "matconvnet", ROUNDED, 0, CPU)
    pairs = [
        (a.detach(), b.detach()) for a, b in zip(net.parameters(), exact.parameters(), strict=True)
    ]
    assert all(ours.dtype == torch.float32 and ours.is_contiguous() for ours, _ in pairs)
    # The same first weights and order of images: near each other, and not the same.
    distance = [float((a - b).norm() / b.norm()) for a, b in pairs if b.ndim > 1]
    assert 0 < max(distance) < 0.2
    # What is written is the float32 network's accuracy.
    rows = some_digits.indices(1)
    images = to_batch(some_digits.read("images", rows))
    truth = some_digits.labels[rows]
    assert history["test_accuracy"].iloc[-1] == (predict(net, images, CPU) == truth).mean()
    assert history["test_accuracy"].iloc[-1] > 0.8
    save_model(tmp_path / "m.pt", net, spec, list(some_digits.classes))
    loaded, _ = load_model(tmp_path / "m.pt")
    assert np.array_equal(predict(loaded, images, CPU), predict(net, images, CPU))


def test_one_step_in_bfloat16_is_the_step_of_rounded_products(some_digits):
    """Gradients of a linear network by hand: inputs and weights rounded to eight bits of mantissa."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
    images, labels = torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 1])
    before = net[1].weight.detach().clone()
    optimiser = torch.optim.SGD(net.parameters(), 1.0)
    batch = [(np.arange(3), images)]
    loss = _train_epoch(net, optimiser, batch, labels, device=CPU, precision="bfloat16")
    x, w = images.flatten(1).bfloat16(), before.bfloat16()
    scores = (x @ w.T).float().requires_grad_()
    expected = torch.nn.functional.cross_entropy(scores, labels)
    expected.backward()
    gradient = (scores.grad.bfloat16().T @ x).float()
    assert loss == pytest.approx(float(expected), abs=1e-6)
    assert torch.allclose(before - net[1].weight, gradient, atol=1e-6)


def test_training_in_bfloat16_resumes_to_the_same_bytes(some_digits, tmp_path):
    whole, spec, history = train(some_digits, "matconvnet", ROUNDED, 5, CPU)

    class CutOff(Exception):
        pass

    def stop(epoch, net, spec):
        if epoch == 2:
            raise CutOff

    with pytest.raises(CutOff):
        train(
            some_digits, "matconvnet", ROUNDED, 5, CPU,
            after_epoch=stop, checkpoint=Checkpoint(tmp_path / "c", "key"),
        )  # fmt: skip
    resumed = train(
        some_digits, "matconvnet", ROUNDED, 5, CPU, checkpoint=Checkpoint(tmp_path / "c", "key")
    )
    assert resumed[2].equals(history)
    for name, net in (("a", whole), ("b", resumed[0])):
        save_model(tmp_path / f"{name}.pt", net, spec, list(some_digits.classes))
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
