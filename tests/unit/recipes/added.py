"""What the examples of CONTRIBUTING.md compute; ../test_recipes.py runs this where they were followed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from importlinter.cli import lint_imports
from snakemake.utils import update_config
from torch import nn

import vebi
from vebi.catalogue.descriptors import get_descriptor
from vebi.catalogue.record import resolve
from vebi.claims.tabulate import tabulate
from vebi.config import parse_config
from vebi.config.datasets import parse_dataset
from vebi.config.schema import editor_schema
from vebi.data.dataset import open_dataset
from vebi.data.decoding import decoding_for
from vebi.generated import known_tables
from vebi.io.errors import VebiError
from vebi.models.nets import NetSpec, build
from vebi.perturbation.perturbations import some_copies
from vebi.report.places import place_in_report
from vebi.studies.registry import study_of_figure, study_of_table

ROOT = Path(__file__).parents[3]
VALUES = yaml.safe_load((ROOT / "config/config.yaml").read_text())
update_config(VALUES, json.loads((ROOT / "added.json").read_text()))


def test_method() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(108, 2))
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), dtype=np.uint8)
    found = vebi.Explainer(net, classes=("a", "b")).explain(images, "loudest")
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float().requires_grad_()
    net(batch).amax(1).sum().backward()
    for one, gradient in zip(found, batch.grad.square(), strict=True):
        expected = (gradient[0] - gradient.min()) / (gradient.max() - gradient.min())
        np.testing.assert_allclose(one.heatmap, expected, rtol=1e-4, atol=1e-6)
    maps = {"loudest": np.stack([one.heatmap for one in found])}
    draw = resolve("vebi.studies.explanations.figures:draw_examples")
    figure = draw(images, np.ones((2, 8, 8)), maps, ["a", "b"], {"loudest": np.zeros(2)})
    assert "squared" in figure.axes[2].get_title()


def test_kind_of_data_set(tmp_path) -> None:
    section = parse_dataset({"kind": "stripes", "size": 16})
    resolve(section.loader)(section, tmp_path / "d.h5", tmp_path)
    data = open_dataset(tmp_path / "d.h5")
    assert data.image_shape == section.shape == decoding_for(section).shape == (16, 16, 1)
    images = data.read("images", np.arange(2))
    assert (images[0, ::2] == 255).all()
    assert not images[0, 1::2].any()
    np.testing.assert_array_equal(images[1], images[0].transpose(1, 0, 2))


def test_network() -> None:
    net = build(NetSpec("tiny", (1, 28, 28), 3, 64.0, kwargs={"width": 7}))
    assert net.conv1.out_channels == 7
    values = json.loads(json.dumps(VALUES))
    values["models"]["small"]["kwargs"]["width"] = 10
    with pytest.raises(VebiError, match=r"kwargs\.width: is 10; allowed: 1 to 9"):
        parse_config(values)


def test_descriptor() -> None:
    peak = resolve(get_descriptor("peak").statistic)
    responses = torch.tensor([[[1.0, -5.0], [2.0, 3.0]]])
    assert peak(responses).tolist() == [[5.0, 3.0]]
    assert peak(responses[..., 1]).tolist() == [[5.0, 3.0]]


def test_perturbation() -> None:
    image = np.full((4, 4, 1), 55, np.uint8)
    numbers, copies = some_copies(image, "inversion", 3, 1.0, (0,))
    np.testing.assert_allclose(copies[:, 0, 0, 0], 55 + 145 * np.array([0, 1, 2]) / 3)
    draw = resolve("vebi.studies.perturbation.figures:draw_contact_sheet")
    figure = draw(image, {"inversion": (1.0, numbers, copies)})
    assert "inverted" in figure.axes[0].get_ylabel()


def test_table(tmp_path) -> None:
    runs = [{"dataset": "d", "model": "m", "seed": seed} for seed in (0, 1)]
    accuracies = ([0.5, 0.9, 0.9], [0.8, 0.7, 0.6])
    for number, values in enumerate(accuracies):
        history = pd.DataFrame({"epoch": [1, 2, 3], "loss": 0.0, "test_accuracy": values})
        history.to_csv(tmp_path / f"{number}.csv", index=False)
    best_epochs = resolve("vebi.studies.networks.tables:best_epochs")
    table = best_epochs([tmp_path / "0.csv", tmp_path / "1.csv"], runs)
    assert table["best_epoch"].tolist() == [2, 1]
    assert table["test_accuracy"].tolist() == [0.9, 0.8]
    assert study_of_table("best_epoch").name == "networks"
    assert known_tables().tables["best_epoch"].keys == ("dataset", "model", "seed")


def test_figure() -> None:
    study, name = study_of_figure("best_epoch")
    figure = study.figures[name]
    table = pd.DataFrame({"dataset": ["a", "b"], "best_epoch": [1, 2], "test_accuracy": [0.5, 1]})
    (axis,) = resolve(figure.draw)(table).axes
    assert [line.get_xdata().tolist() for line in axis.lines] == [[1], [2]]
    assert place_in_report(Path("figures/best_epoch.png")).category.endswith(study.title)


def test_claim(tmp_path) -> None:
    facts = {
        "roles": {},
        "architectures": {},
        "experiments": [],
        "mcgill": [],
        "settings": [],
    }
    accuracy = [0.75, 0.76, 0.74]
    runs = pd.DataFrame({"dataset": "d", "model": "m", "seed": range(3), "test_accuracy": accuracy})
    columns = study_of_table("training").tables["training"].columns
    runs.reindex(columns=columns).to_csv(tmp_path / "training.csv", index=False)
    for files, verdict in (
        ({"training": tmp_path / "training.csv"}, "confirmed"),
        ({}, "not tested"),
    ):
        row = tabulate(files, facts).set_index("claim_id").loc["vebi.networks.learnt"]
        assert row["verdict"] == verdict
        assert not files or row["measured"] == pytest.approx(0.25)


def test_key() -> None:
    assert parse_config(VALUES).panels.model_dump()["columns"] == 4
    with pytest.raises(VebiError, match=r"panels\.columns: 13"):
        parse_config(VALUES | {"panels": {"columns": 13}})
    schema = json.loads((ROOT / "config/schema.json").read_text())
    assert schema == editor_schema()
    assert schema["$defs"]["PanelConfig"]["properties"]["columns"]["maximum"] == 12


def test_study() -> None:
    assert study_of_table("balance").name == "balance"
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    assert profile["groups"]["count_classes"] == profile["groups"]["tabulate_balance"] == "report"


def test_rooms_import_those_below_them() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0
