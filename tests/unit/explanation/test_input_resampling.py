"""Explanations by input resampling, of any network and of image files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from typer.testing import CliRunner

from vebi.cli import app
from vebi.explanation.explainer import Explainer
from vebi.io.errors import VebiError
from vebi.models.model_file import save_model
from vebi.models.nets import NetSpec, build, initialise


class OneRed(nn.Module):
    """The first of four channels follows red, and the class depends on it; another is always on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0, 0] = 0.001
            self.conv.weight[1, 2] = 0.0001
            self.conv.bias.copy_(torch.tensor([0.0, 5.0, -1.0, -1.0]))
            self.head.weight.zero_()
            self.head.weight[0, 0] = 1.0
            self.head.bias.copy_(torch.tensor([-0.2, 0.2]))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(functional.relu(self.conv(x)).mean((2, 3)))


def images() -> np.ndarray:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 120, (2, 12, 12, 3), dtype=np.uint8)
    pixels[0, 2:6, 2:6, 0] = 250
    return pixels


def test_each_metric_finds_its_channel() -> None:
    explainer = Explainer(OneRed(), classes=("red", "dark"))
    by_metric = [
        explainer.explain(images(), f"resampling_{metric}", top=2)
        for metric in ("correlation", "precision")
    ]
    for correlation, precision in zip(*by_metric, strict=True):
        # Only two channels move at all; the one that decides the output goes with it.
        assert [f.channel for f in correlation.features] == [0, 1]
        assert correlation.features[0].value > correlation.features[1].value
        assert precision.features[0].channel == 1
        assert all(f.layer == "relu" and f.heatmap.shape == (12, 12) for f in correlation.features)
        assert {f.metric for f in precision.features} == {"precision"}
        assert correlation.confidence == precision.confidence >= 0.5


def test_names_must_fit() -> None:
    with pytest.raises(VebiError, match="2 outputs, and there are 3 names"):
        Explainer(OneRed(), classes=("a", "b", "c")).explain(images(), "resampling_correlation")


def test_the_old_name_of_both_metrics_says_what_to_give() -> None:
    with pytest.raises(VebiError, match="mean resampling_correlation or resampling_precision"):
        CliRunner().invoke(
            app, ["explain", "i.png", "--method", "resampling"], catch_exceptions=False
        )


def test_command_on_a_model_file(tmp_path: Path) -> None:
    spec = NetSpec("patch_cnn", (3, 24, 24), 3, 64.0)
    net = build(spec)
    initialise(net, 0)
    save_model(tmp_path / "model.pt", net, spec, ["a", "b", "c"])
    Image.fromarray(images()[0]).save(tmp_path / "i.png")
    arguments = ["explain", str(tmp_path / "i.png"), "--method", "resampling_precision"]
    arguments += ["--weights", str(tmp_path / "model.pt"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--top", "2"], catch_exceptions=False)
    assert result.exit_code == 0
    content = json.loads((tmp_path / "out" / "explanation.json").read_text())
    (image,) = content["images"]
    assert image["predicted"] in ("a", "b", "c")
    assert [f["metric"] for f in image["features"]] == ["precision"] * 2
    assert [f["value"] for f in image["features"]] > [0, 0]
    assert (tmp_path / "out" / "explanation.png").stat().st_size > 0


FACTORY = """
from torch import nn

def net():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
"""


def test_command_on_a_users_own_network(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(FACTORY)
    Image.fromarray(images()[0]).save(tmp_path / "i.png")
    arguments = ["explain", str(tmp_path / "i.png"), "--size", "16"]
    arguments += ["--method", "resampling_correlation"]
    arguments += ["--factory", f"{tmp_path / 'own.py'}:net", "--out", str(tmp_path / "out")]
    # The network says how many outputs it has; what they are called it does not.
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    content = json.loads((tmp_path / "out" / "explanation.json").read_text())
    assert content["images"][0]["predicted"] in ("0", "1")
    result = CliRunner().invoke(app, [*arguments, "--classes", "a,b"], catch_exceptions=False)
    assert result.exit_code == 0
    content = json.loads((tmp_path / "out" / "explanation.json").read_text())
    assert content["images"][0]["predicted"] in ("a", "b")
