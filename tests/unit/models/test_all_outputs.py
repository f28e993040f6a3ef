"""A network of 1,000 outputs on images of two of its classes: all outputs kept, or two rows chosen."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from vebi.config.datasets import ImageFolderConfig
from vebi.config.stages import HeatmapConfig
from vebi.data.dataset import open_dataset, write_index
from vebi.data.image_folder import index_images
from vebi.descriptors import describe
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.heatmaps.write import write_heatmaps
from vebi.io.errors import VebiError
from vebi.models import class_outputs
from vebi.models.torchvision_nets import MEAN, SCALE, torchvision_network
from vebi.models.train import TrainingSettings, train
from vebi.selection.path_file import read_solution
from vebi.selection.select import Problem, select

CPU = torch.device("cpu")
NAME = "torchvision:squeezenet1_1"
TABLE = str(Path(class_outputs.__file__).with_name("imagenet_classes.csv"))
# Parachute and tench: outputs 701 and 0.
WNIDS = {"n03888257": 701, "n01440764": 0}
SIZE = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Noise in the folders of two classes, and the state dict of a network with 1,000 outputs."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for wnid in WNIDS:
        for split, n in (("train", 8), ("val", 3)):
            (folder / split / wnid).mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
                pixels[: 8 * i] //= 4
                Image.fromarray(pixels).save(folder / split / wnid / f"{i}.png")
    torch.manual_seed(0)
    net = torchvision_network("squeezenet1_1", 1000, {}).eval()
    files = sorted(folder.glob("train/*/*.png"))
    images = torch.from_numpy(np.stack([np.asarray(Image.open(file)) for file in files]))
    pixels = (images.permute(0, 3, 1, 2) - torch.tensor(MEAN)[:, None, None]) / torch.tensor(SCALE)[
        :, None, None
    ]
    with torch.no_grad():
        responses = net.get_submodule("features")(pixels).mean((2, 3))
        head = net.get_submodule("classifier.1")
        away = responses - responses.mean(0)
        # Six outputs that each fire for images like one of the training images.
        for output, row in zip((0, 701, 217, 300, 998, 999), (0, 3, 6, 9, 12, 15), strict=True):
            head.weight[output] = 100 * (away[row] / away[row].norm())[:, None, None]
        head.bias.copy_(-head.weight[:, :, 0, 0] @ responses.mean(0))
    torch.save(net.state_dict(), folder / "w.pth")
    return folder


def load(folder, tmp_path, **keys):
    own = {"kind": "image_folder", "path": str(folder), "layout": "split_folders", "size": SIZE}
    write_index(tmp_path / "d.h5", index_images(ImageFolderConfig(**own, **keys)))
    return open_dataset(tmp_path / "d.h5")


def network(folder, dataset):
    weights = str(folder / "w.pth")
    settings = TrainingSettings(0, 8, "sgd", 0.1, scale=None, weights=weights)
    return train(dataset, NAME, settings, 0, CPU)


def scores_of(net, dataset):
    images = torch.from_numpy(dataset.read("images").transpose(0, 3, 1, 2)).float()
    with torch.no_grad():
        return net(images)


def test_all_outputs_are_kept_and_those_that_are_predicted_are_explained(folder, tmp_path):
    dataset = load(folder, tmp_path, n_classes=1000, all_classes=TABLE)
    assert len(dataset.classes) == 1000
    assert (dataset.classes[701], dataset.class_ids[701]) == ("parachute", "n03888257")
    assert sorted(set(dataset.labels)) == [0, 701]
    net, spec, history = network(folder, dataset)
    assert spec.n_classes == 1000
    scores = scores_of(net, dataset)
    predicted = scores.argmax(1).numpy()
    assert len(set(predicted.tolist())) > 2
    test = dataset.indices(1)
    assert history["test_accuracy"][0] == pytest.approx((predicted == dataset.labels)[test].mean())
    describe(net, dataset, tmp_path / "x.h5", variant="vebi_text", device=CPU)
    select(tmp_path / "x.h5", [5.0], tmp_path, Problem(labels="predictions"))
    weights = read_solution(tmp_path / "path.h5").weights_at(5.0)
    assert len(weights) == 1000
    trained_on = set(predicted[dataset.indices(0)].tolist())
    assert set(np.flatnonzero(weights.any(1)).tolist()) == trained_on
    explained = InterpretedNetwork(
        model=net,
        dataset=dataset,
        descriptors=open_descriptors(tmp_path / "x.h5"),
        weights=weights,
        device=CPU,
    )
    settings = HeatmapConfig(methods=["vebi", "gradient_x_input"])
    files = {name: tmp_path / f"{name}.h5" for name in settings.methods}
    write_heatmaps(explained, files, settings, seed=0)
    with h5py.File(files["vebi"]) as file:
        has_map = file["heatmaps"][:].any((1, 2))
    # A class that no training image is taken for has no selected features: an empty map, no error.
    assert has_map.tolist() == [int(label) in trained_on for label in predicted[test]]
    with h5py.File(files["gradient_x_input"]) as file:
        assert file["heatmaps"][:].any((1, 2)).all()


def test_rows_chosen_by_wnid_give_the_same_scores(folder, tmp_path):
    """The other way: a network of two outputs, in the order of the folders' sorted names."""
    dataset = load(folder, tmp_path, n_classes=2)
    net, spec, _ = network(folder, dataset)
    assert spec.n_classes == 2
    scores = scores_of(net, dataset)
    whole = load(folder, tmp_path, n_classes=1000, all_classes=TABLE)
    every = scores_of(network(folder, whole)[0], whole)
    rows = [WNIDS[wnid] for wnid in dataset.class_ids]
    assert rows == [0, 701]
    torch.testing.assert_close(scores, every[:, rows], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("table", "n_classes", "message"),
    [
        ("id,name\nn01440764,tench\nn2,b\n", 2, "none called n03888257, of which there are images"),
        ("id,name\nn01440764,tench\nn03888257,parachute\nn3,c\n", 2, "Set it to 3"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(folder, tmp_path, table, n_classes, message):
    (tmp_path / "t.csv").write_text(table)
    with pytest.raises(VebiError, match=message):
        load(folder, tmp_path, n_classes=n_classes, all_classes=str(tmp_path / "t.csv"))
