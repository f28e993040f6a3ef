"""An explainer in a file: it explains as before, and knows another network when it sees one."""

import re

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import vebi
from vebi.explanation.saved import list_tensors, weights_digest
from vebi.selection.path_file import read_solution


class Net(nn.Module):
    """A network whose forward pass may use the same weights in another way."""

    def __init__(self, rectified: bool = True, channels: int = 6) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, channels, 3)
        self.norm = nn.BatchNorm2d(channels)
        self.act = nn.ReLU() if rectified else nn.Identity()
        self.head = nn.Linear(36 * channels, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.act(self.norm(self.conv(x / 255))).flatten(1))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (45, 8, 8)).astype(np.uint8)


@pytest.fixture(scope="module")
def saved(images, tmp_path_factory):
    explainer = vebi.fit(
        Net().eval(),
        images,
        mu=7,
        classes=["a", "b", "ü"],
        descriptor="vebi_code",
        nonnegative=True,
    )
    path = tmp_path_factory.mktemp("saved") / "explainer.h5"
    explainer.save(path)
    return explainer, path


def test_what_is_loaded_explains_as_before(saved, images):
    before, path = saved
    after = vebi.Explainer.load(path, Net().eval())
    assert (after.mu, after.classes, after.descriptor) == (7.0, ("a", "b", "ü"), "vebi_code")
    assert after.input_shape == before.input_shape == (1, 8, 8)
    assert after.selected.equals(before.selected)
    for one, two in zip(before.explain(images[:5]), after.explain(images[:5]), strict=True):
        assert (one.predicted, one.confidence) == (two.predicted, two.confidence)
        assert [f.channel for f in one.features] == [f.channel for f in two.features]
        np.testing.assert_array_equal(one.heatmap, two.heatmap)


def test_the_file_is_steady_and_a_path_of_the_pipeline(saved, tmp_path):
    before, path = saved
    vebi.Explainer.load(path, Net().eval()).save(tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()
    np.testing.assert_array_equal(read_solution(path).weights_at(3), before.solution.weights_at(3))


def _changed(change):
    net = Net().eval()
    with torch.no_grad():
        change(net)
    return net


@pytest.mark.parametrize(
    ("net", "says"),
    [
        (Net(channels=5).eval(), r"has conv\.weight \(5, 1, 3, 3\), that one had .*\(6, 1, 3, 3\)"),
        (nn.Sequential(nn.Linear(2, 2)), r"has 0\.weight \(2, 2\), that one had conv\.weight"),
        (nn.Identity(), r"has nothing more, that one had conv\.weight"),
        (_changed(lambda net: net.conv.weight[0, 0, 0, 0].add_(1e-6)), "other weights"),
        (_changed(lambda net: net.norm.running_mean[2].add_(1)), "other weights"),
        (Net().eval().double(), "other weights: .*same number format"),
        (Net(rectified=False).eval(), "a layer 'act', which this one does not have"),
    ],
)
def test_another_network_is_one_clear_error(saved, net, says):
    with pytest.raises(vebi.VebiError, match=says) as caught:
        vebi.Explainer.load(saved[1], net)
    assert "\n" not in str(caught.value)


def test_the_digest_is_of_numbers_and_not_of_their_place_in_memory():
    one, two = Net(), Net()
    assert weights_digest(one) == weights_digest(two)
    # The same numbers, not contiguous.
    two.head.weight = nn.Parameter(one.head.weight.detach().t().contiguous().t())
    assert not two.head.weight.is_contiguous()
    assert weights_digest(one) == weights_digest(two)
    renamed = nn.ModuleDict({"first": one.conv})
    assert weights_digest(renamed) != weights_digest(nn.ModuleDict({"other": one.conv}))
    assert list_tensors(renamed) == ("first.weight (6, 1, 3, 3)", "first.bias (6,)")
    assert len({weights_digest(net) for net in (one, Net().bfloat16(), Net(channels=5))}) == 3


def test_other_files_and_nothing_to_save(saved, tmp_path):
    before, path = saved
    with pytest.raises(vebi.VebiError, match="nothing to save"):
        vebi.Explainer(before.model).save(tmp_path / "x.h5")
    with pytest.raises(vebi.VebiError, match="no such file"):
        vebi.Explainer.load(tmp_path / "x.h5", before.model)
    (tmp_path / "text.h5").write_text("mu: 10")
    with pytest.raises(vebi.VebiError, match=r"text\.h5 can't be read as HDF5"):
        vebi.Explainer.load(tmp_path / "text.h5", before.model)
    for change, says in (
        (lambda file: file.pop("explainer"), "a path.h5, not a file of `Explainer.save`"),
        (lambda file: file["explainer"].attrs.pop("mu"), "is not a file of `Explainer.save`"),
        (lambda file: file["explainer"].attrs.__setitem__("input_shape", [1, 8]), "is damaged"),
        (
            lambda file: file["explainer"].attrs.__setitem__("descriptor", "l7"),
            "Unknown descriptor 'l7'",
        ),
    ):
        (tmp_path / "changed.h5").write_bytes(path.read_bytes())
        with h5py.File(tmp_path / "changed.h5", "r+") as file:
            change(file)
        with pytest.raises(vebi.VebiError, match=re.escape(says)):
            vebi.Explainer.load(tmp_path / "changed.h5", before.model)
