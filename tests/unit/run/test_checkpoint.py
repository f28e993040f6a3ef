from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from snakemake.iocontainers import Params, Wildcards

from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.models import train as training
from vebi.models.model_file import save_model
from vebi.models.train import TrainingSettings, train
from vebi.run.checkpoint import STATE, Checkpoint, checkpoint_of
from vebi.run.job import Task

CPU = torch.device("cpu")
EPOCHS = 4


class CutOffError(Exception):
    """Stands for the end of a process."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (90, 28, 28, 1), dtype=np.uint8)
    path = tmp_path_factory.mktemp("noise") / "d.h5"
    write_dataset(
        path, Images(images, np.arange(90) % 3, (np.arange(90) % 5 == 0) * 1, list("abc"))
    )
    return open_dataset(path)


def settings(optimiser="sgd", **changes):
    values = {
        "epochs": EPOCHS,
        "batch_size": 20,
        "optimiser": optimiser,
        "learning_rate": 0.001,
        "momentum": 0.0 if optimiser == "adam" else 0.5,
        "weight_decay": 0.0005,
        "scale": 64.0,
        "final_learning_rate_factor": 0.1,
    }
    return TrainingSettings(**{**values, **changes})


def bytes_of(path, trained):
    net, spec, history = trained
    save_model(path, net, spec, ["a", "b", "c"])
    return path.read_bytes(), history.to_csv()


def cut_off_at(*epochs):
    """For `after_epoch`: raises at each of the epochs, the first time."""
    left = list(epochs)

    def stop(epoch, net, spec):
        if epoch in left:
            left.remove(epoch)
            raise CutOffError

    return stop


def train_through(dataset, network, how, checkpoint, stop):
    """Train, as often as it is cut off; how many times that was, and the result."""
    cuts = 0
    while True:
        try:
            return cuts, train(
                dataset, network, how, 0, CPU, after_epoch=stop, checkpoint=checkpoint
            )
        except CutOffError:
            cuts += 1


@pytest.mark.parametrize(
    ("network", "how", "in_memory"),
    [
        ("matconvnet", settings("sgd"), True),
        ("matconvnet", settings("adam"), False),
        ("keras", settings("rmsprop", kwargs={"width": 4, "dropout": 0.5}), False),
        ("matconvnet", settings("adam", freeze_up_to="conv1", backbone_rate_factor=0.1), True),
    ],
    ids=["sgd", "adam, streamed", "rmsprop with dropout, streamed", "frozen"],
)
def test_a_training_that_was_cut_off_ends_in_the_same_bytes(
    dataset, tmp_path, monkeypatch, network, how, in_memory
):
    monkeypatch.setattr(training, "MEMORY_BYTES", 2**30 if in_memory else 0)
    expected = bytes_of(tmp_path / "a.pt", train(dataset, network, how, 0, CPU))
    checkpoint = Checkpoint(tmp_path / "checkpoint", "key")
    # Cut off in the first epoch, before it was saved; twice in the second; and in the last.
    stop = cut_off_at(1, 2, 2, EPOCHS)
    cuts, trained = train_through(dataset, network, how, checkpoint, stop)
    assert cuts == 4
    assert bytes_of(tmp_path / "b.pt", trained) == expected
    # All epochs are done: nothing is trained again.
    again = train(
        dataset, network, how, 0, CPU, after_epoch=cut_off_at(1, 2, 3, 4), checkpoint=checkpoint
    )
    assert bytes_of(tmp_path / "c.pt", again) == expected


def train_checked(dataset, checkpoint, after_epoch):
    return train(
        dataset,
        "matconvnet",
        settings(),
        0,
        CPU,
        after_epoch=after_epoch,
        checkpoint=checkpoint,
    )


def test_only_the_epochs_after_the_checkpoint_are_trained(dataset, tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint", "key")
    seen = []
    with pytest.raises(CutOffError):
        train(
            dataset,
            "matconvnet",
            settings(),
            0,
            CPU,
            after_epoch=cut_off_at(3),
            checkpoint=checkpoint,
        )
    train(
        dataset,
        "matconvnet",
        settings(),
        0,
        CPU,
        after_epoch=lambda e, *_: seen.append(e),
        checkpoint=checkpoint,
    )
    assert seen == [3, 4]


def cut_training(dataset, folder, key="key"):
    checkpoint = Checkpoint(folder, key)
    with pytest.raises(CutOffError):
        train(
            dataset,
            "matconvnet",
            settings(),
            0,
            CPU,
            after_epoch=cut_off_at(3),
            checkpoint=checkpoint,
        )
    assert (folder / STATE).is_file()
    return checkpoint


@pytest.mark.parametrize("damage", ["key", "cut", "flipped", "empty", "gone"])
def test_a_checkpoint_of_something_else_or_a_damaged_one_is_not_used(dataset, tmp_path, damage):
    checkpoint = cut_training(dataset, tmp_path / "checkpoint")
    state = checkpoint.folder / STATE
    content = state.read_bytes()
    if damage == "key":
        checkpoint = Checkpoint(checkpoint.folder, "another key")
    elif damage == "gone":
        state.unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        state.write_bytes({"cut": content[:-1], "flipped": flipped, "empty": b""}[damage])
    seen = []
    trained = train(
        dataset,
        "matconvnet",
        settings(),
        0,
        CPU,
        after_epoch=lambda e, *_: seen.append(e),
        checkpoint=checkpoint,
    )
    assert seen == [1, 2, 3, 4]
    whole = train(dataset, "matconvnet", settings(), 0, CPU)
    assert bytes_of(tmp_path / "a.pt", trained) == bytes_of(tmp_path / "b.pt", whole)


def test_buffers_outside_the_state_dict_come_back(tmp_path):
    def make() -> tuple[Any, Any, Any]:
        net = torch.nn.Linear(2, 2)
        net.register_buffer("count", torch.zeros(3), persistent=False)
        optimiser = torch.optim.SGD(net.parameters(), 0.1)
        return net, optimiser, torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.5)

    first, second = make(), make()
    first[0].count += 7
    Checkpoint(tmp_path / "c", "k").save(*first, [{"epoch": 1}])
    assert Checkpoint(tmp_path / "c", "k").resume(*second) == [{"epoch": 1}]
    assert second[0].count.tolist() == [7, 7, 7]
    assert torch.equal(second[0].weight, first[0].weight)


def rule(dataset, **changes):
    values = {"settings": {"epochs": 4}, "code": "abc", "device": "cpu", **changes}
    return Task(
        rule="train",
        input=[str(dataset.path)],
        output=None,
        params=Params(fromdict=values),
        wildcards=Wildcards(fromdict={"seed": "0"}),
    )


def test_a_checkpoint_belongs_to_parameters_and_data_and_goes_when_the_job_is_done(
    dataset, tmp_path
):
    keys = []
    for changes in ({}, {}, {"code": "abd"}, {"settings": {"epochs": 5}}):
        with checkpoint_of(rule(dataset, **changes), tmp_path / "model.pt") as checkpoint:
            checkpoint.folder.mkdir()
            keys.append(checkpoint.key)
        assert not checkpoint.folder.exists()
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3

    def fail():
        with checkpoint_of(rule(dataset), tmp_path / "model.pt") as checkpoint:
            checkpoint.folder.mkdir()
            raise CutOffError

    with pytest.raises(CutOffError):
        fail()
    assert (tmp_path / ".model.pt.checkpoint").is_dir()
    other = tmp_path / "other.h5"
    other.write_bytes(dataset.path.read_bytes() + b"\0")
    moved = replace(rule(dataset), input=[str(other)])
    with checkpoint_of(moved, tmp_path / "model.pt") as checkpoint:
        assert checkpoint.key != keys[0]
