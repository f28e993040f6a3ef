"""Effects, features and tables of a network that is known to use one part alone."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from vebi.cli import app
from vebi.config.interventions import EffectConfig
from vebi.data.an8flower.changes import changes_of, other_part
from vebi.data.an8flower.parts import PART_NUMBERS, part_names_of
from vebi.data.an8flower.scene import Scene, sample_scene
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors.describe import describe
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.io.errors import VebiError
from vebi.io.tables import write_table
from vebi.studies.interventions import STUDY
from vebi.studies.interventions import benchmark as benchmarking
from vebi.studies.interventions.benchmark import methods_of
from vebi.studies.interventions.benchmark_page import beaten_by_controls, page
from vebi.studies.interventions.effects_file import Effects, read_effects
from vebi.studies.interventions.figures import (
    draw_faithfulness,
    draw_feature_parts,
    draw_part_effects,
)
from vebi.studies.interventions.measure import measure
from vebi.studies.interventions.panels import draw_run_panels, draw_run_scatter
from vebi.studies.interventions.tables import CLASS_PART, MEASURES, tabulate

SET, SIZE = "single-6c", 24
CHANGES = changes_of(SET)
# Rows of pixels of each part, and its colour; the petals' red is the class.
ROWS = {"sky": (0, 6), "petals": (6, 12), "stem": (12, 15), "pot": (15, 20), "ground": (20, 24)}
COLOURS = {"sky": (0, 0, 90), "petals": (200, 0, 0), "stem": (0, 80, 0), "pot": (0, 60, 60)}
GROUND = (0, 40, 0)
RUNS = [{"dataset": "d", "model": "m", "seed": seed} for seed in (0, 1)]


class RedLooker(nn.Module):
    """Two classes; the first one's score is the mean red, the second one's a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.relu, self.pool, self.flat = nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.fc = nn.Linear(2, 2)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0, 0] = 1.0
            self.conv.weight[1, 2] = 1.0
            self.conv.bias.zero_()
            self.fc.weight[:] = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
            self.fc.bias[:] = torch.tensor([0.0, 5.0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.flat(self.pool(self.relu(self.conv(x)))))


def picture(colours: dict[str, tuple[int, int, int]]) -> np.ndarray:
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    for part, (first, last) in ROWS.items():
        image[first:last] = {"ground": GROUND, **colours}[part]
    return image


def changed(part: str, kind: str, scene: Scene) -> np.ndarray | None:
    """The picture after a change; None for what these pictures do not have."""
    name = other_part(scene) if part == "other" else part
    if kind == "removed" and name in ("petals", "stem", "pot"):
        return picture({**COLOURS, name: COLOURS["sky"]})
    if kind == "neutral" and name in COLOURS:
        # A neutral part has a little of every colour.
        return picture({**COLOURS, name: (30, 30, 30)})
    return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, its interventions, descriptors and heatmaps of two methods."""
    folder = tmp_path_factory.mktemp("interventions")
    n, k = 4, len(CHANGES)
    images = np.stack([picture(COLOURS)] * 8)
    split = np.repeat([0, 1], 4)
    write_dataset(folder / "dataset.h5", Images(images, np.zeros(8, int), split, ["red", "no"]))
    numbers = np.zeros((SIZE, SIZE), np.uint8)
    for part, (first, last) in ROWS.items():
        numbers[first:last] = PART_NUMBERS[part]
    scenes = [sample_scene(SET, 0, 6 * i, views_per_base=1) for i in range(n)]
    with h5py.File(folder / "interventions.h5", "w") as file:
        after = np.stack([images[4:]] * k, 1)
        applies = np.zeros((n, k), bool)
        for column, change in enumerate(CHANGES):
            for row, scene in enumerate(scenes):
                if (found := changed(change.part, change.kind, scene)) is not None:
                    after[row, column], applies[row, column] = found, True
        file["images"], file["applies"] = after, applies
        file["masks"] = np.zeros((n, k, SIZE, SIZE), bool)
        file["originals"], file["index"] = images[4:], np.arange(4, 8)
        file["parts"] = np.stack([numbers] * n)
        file["shadows"] = np.zeros((n, SIZE, SIZE), bool)
        file["labels"], file["base_scene"] = np.zeros(n, int), np.arange(n)
        file.create_dataset(
            "parameters", data=[s.to_json() for s in scenes], dtype=h5py.string_dtype()
        )
        file.attrs["change_parts"] = [change.part for change in CHANGES]
        file.attrs["change_kinds"] = [change.kind for change in CHANGES]
        file.attrs["part_names"] = list(part_names_of(SET))
        file.attrs["flower_set"] = SET
    describe(RedLooker().eval(), open_dataset(folder / "dataset.h5"), folder / "descriptors.h5")
    # One map follows the red, one its opposite.
    red = images[4:, ..., 0] / 200
    for name, maps in (("lrp", red), ("grad_cam", 1 - red)):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["heatmaps"], file["image_index"] = maps.astype(np.float32), np.arange(4, 8)
    return folder


def network(folder: Path, *, red_weight: float = 1.0) -> InterpretedNetwork:
    descriptors = open_descriptors(folder / "descriptors.h5")
    weights = np.zeros((2, len(descriptors.feature_layer)))
    # The first channel of the convolution, for the first class.
    weights[0, 0] = red_weight
    dataset = open_dataset(folder / "dataset.h5")
    return InterpretedNetwork(RedLooker().eval(), dataset, descriptors, weights)


def run(folder: Path, out: Path, batch_size: int = 7) -> Effects:
    maps = {name: folder / f"{name}.h5" for name in ("lrp", "grad_cam")}
    settings = EffectConfig(features=2, batch_size=batch_size)
    measure(network(folder), folder / "interventions.h5", maps, out, settings, seed=3)
    return read_effects(out)


@pytest.fixture(scope="module")
def effects(folder: Path) -> Effects:
    return run(folder, folder / "effects.h5")


def column(effects: Effects, part: str, kind: str) -> int:
    found = (effects.change_parts == part) & (effects.change_kinds == kind)
    return int(np.flatnonzero(found)[0])


def test_drops_are_those_of_the_known_network(effects: Effects) -> None:
    # The petals are a quarter of the image, and nothing else is red.
    assert effects.score == pytest.approx(200 / 4)
    removed = column(effects, "petals", "removed")
    assert effects.score_drop[:, removed] == pytest.approx(200 / 4)
    assert effects.score_drop[:, column(effects, "petals", "neutral")] == pytest.approx(170 / 4)
    assert effects.score_drop[:, column(effects, "stem", "removed")] == pytest.approx(0)
    assert effects.score_drop[:, column(effects, "stem", "neutral")] == pytest.approx(-30 * 3 / 24)
    before = 1 / (1 + np.exp(5 - 50))
    after = 1 / (1 + np.exp(5.0))
    assert effects.probability_drop[:, removed] == pytest.approx(before - after)
    assert (effects.changed_class[:, removed] == 1).all()
    assert (effects.changed_class[:, column(effects, "stem", "removed")] == 0).all()
    assert np.isnan(effects.score_drop[:, column(effects, "light", "another")]).all()
    assert (effects.parts[effects.class_part] == "petals").all()


def test_boxes_stand_beside_removals(effects: Effects) -> None:
    removed = column(effects, "petals", "removed")
    mean_red = 200 / 4
    assert effects.box_drop[:, removed, 0] == pytest.approx((200 - mean_red) / 4, abs=0.2)
    # A blurred box keeps most of the red.
    assert (effects.box_drop[:, removed, 1] < 0.5 * (200 - mean_red) / 4).all()
    assert np.isnan(effects.box_drop[:, column(effects, "petals", "neutral")]).all()
    assert np.isnan(effects.box_drop[:, column(effects, "leaves", "removed")]).all()


def test_the_selected_feature_loses_what_its_part_gave_it(effects: Effects) -> None:
    # The only one with a weight: conv, channel 0, of class 0.
    assert effects.features.tolist() == [[0, 0, 0]]
    assert effects.response[:, 0] == pytest.approx(200 * np.sqrt(6 * SIZE))
    lost = effects.response_drop[..., 0]
    assert lost[:, column(effects, "petals", "removed")] == pytest.approx(1)
    assert lost[:, column(effects, "petals", "neutral")] == pytest.approx(1 - 30 / 200)
    assert lost[:, column(effects, "pot", "removed")] == pytest.approx(0)


def test_batches_do_not_matter(folder: Path, effects: Effects, tmp_path: Path) -> None:
    other = run(folder, tmp_path / "effects.h5", batch_size=64)
    np.testing.assert_allclose(other.score_drop, effects.score_drop, rtol=1e-5, atol=1e-5)
    again = run(folder, tmp_path / "again.h5", batch_size=64)
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "effects.h5").read_bytes()
    for name, values in again.density.items():
        np.testing.assert_array_equal(values, effects.density[name])


@pytest.fixture(scope="module")
def tables(folder: Path, effects: Effects) -> dict[str, pd.DataFrame]:
    return tabulate([folder / "effects.h5"] * 2, [folder / "descriptors.h5"] * 2, RUNS)


def test_the_map_of_what_the_network_uses_is_faithful(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["faithfulness"].set_index(["seed", "method"])
    one, opposite = table.loc[(0, "lrp")], table.loc[(0, "grad_cam")]
    assert one["rank_correlation"] > 0.5 > -0.5 > opposite["rank_correlation"]
    assert (one["wrong_order"], opposite["wrong_order"]) == (0, 1)
    assert one["n_images"] == one["n_scenes"] == 4
    pooled = tables["faithfulness_networks"].set_index(["method", "measure"])
    assert set(pooled.index) == {
        (method, name) for method in ("lrp", "grad_cam", "random") for name in MEASURES
    }
    value = pooled.loc[("lrp", "rank_correlation")]
    assert value["value"] == pytest.approx(one["rank_correlation"])
    assert value["n_networks"] == 2


def test_the_other_tables(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["interventions"].set_index(["seed", "part", "change"])
    petals = table.loc[(1, "petals", "removed")]
    assert petals["score_change"] == pytest.approx(-50)
    assert petals["changed_class"] == 1
    pd.testing.assert_series_equal(petals, table.loc[(1, CLASS_PART, "removed")], check_names=False)
    assert "light" not in table.index.get_level_values("part")
    boxes = tables["box_effects"].set_index(["seed", "box"])
    grey = boxes.loc[(0, "grey")]
    # Petals, stem and pot of four images.
    assert grey["n_removals"] == 12
    assert grey["true_drop"] == pytest.approx(50 / 3)
    # Over the other two parts a box in the mean colour adds red: the score rises.
    box = [(200 - 50) / 4, -50 * 3 / 24, -50 * 5 / 24]
    assert grey["box_drop"] == pytest.approx(np.mean(box), abs=0.2)
    # So it says of both that they matter, and the true removal of neither.
    assert grey["disagreement"] == pytest.approx(2 / 3)
    features = tables["feature_parts"].set_index(["seed", "part"])
    assert features.loc[(0, "petals"), "rank"] == 1
    assert features.loc[(0, "petals"), "change"] == pytest.approx((1 + 1 - 30 / 200) / 2)
    assert features.loc[(0, "petals"), "layer"] == "conv"


def test_tables_have_the_columns_of_the_record(
    tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    assert set(tables) == set(STUDY.tables)
    for name, table in tables.items():
        write_table(tmp_path / f"{name}.csv", table, STUDY.tables[name])


def test_figures(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    figure = draw_faithfulness(tables["faithfulness_networks"], tables["faithfulness"])
    assert len(figure.axes) == len(MEASURES)
    assert len(draw_part_effects(tables["interventions"]).axes) == 1
    grid = draw_feature_parts(tables["feature_parts"]).axes[0]
    assert [t.get_text() for t in grid.get_yticklabels()] == ["class 0: conv / 0"]
    panels = draw_run_panels(folder / "interventions.h5", folder / "effects.h5", 2)
    titles = [axis.get_title() for axis in panels.axes]
    assert titles.count("image") == 2
    assert titles.count("petals\nremoved") == 2
    scatter = draw_run_scatter(folder / "effects.h5")
    assert [axis.get_title() for axis in scatter.axes[:3]] == [
        *("Grad-CAM", "LRP (epsilon plus flat)", "random map"),
    ]


def test_interventions_on_other_images_are_refused(folder: Path, tmp_path: Path) -> None:
    images = np.zeros((8, SIZE, SIZE, 3), np.uint8)
    split = np.repeat([0, 1], 4)
    write_dataset(tmp_path / "other.h5", Images(images, np.zeros(8, int), split, ["red", "no"]))
    one = network(folder)
    other = InterpretedNetwork(
        one.model, open_dataset(tmp_path / "other.h5"), one.descriptors, one.weights
    )
    with pytest.raises(VebiError, match=r"interventions\.h5 has other images than .*other\.h5"):
        measure(other, folder / "interventions.h5", {}, tmp_path / "x.h5", EffectConfig(), seed=0)


METHOD = """
import torch

def gradient_times_red(model, images, targets):
    return images[:, 0] / 255

def opposite(model, images, targets):
    return 1 - images[:, 0] / 255
"""


@pytest.fixture
def finished(
    folder: Path, effects: Effects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A run with two networks, as far as the benchmark reads it; the working directory has a method."""
    masks = np.zeros((8, SIZE, SIZE), bool)
    masks[:, 6:12] = True
    data = tmp_path / "run/data/flowers"
    data.mkdir(parents=True)
    images = np.stack([picture(COLOURS)] * 8)
    labels, split = np.zeros(8, int), np.repeat([0, 1], 4)
    write_dataset(data / "dataset.h5", Images(images, labels, split, ["red", "no"]))
    with h5py.File(data / "dataset.h5", "a") as file:
        file["masks"] = masks
    (data / "interventions.h5").write_bytes((folder / "interventions.h5").read_bytes())
    for stage, names in {
        "interventions": ["effects.h5"],
        "models": ["model.pt"],
        "heatmaps": ["lrp.h5", "grad_cam.h5"],
    }.items():
        for seed in (0, 1):
            place = tmp_path / "run" / stage / f"flowers/net/seed{seed}"
            place.mkdir(parents=True)
            for name in names:
                known = folder / name
                (place / name).write_bytes(known.read_bytes() if known.is_file() else b"")
    monkeypatch.setattr(benchmarking, "load_model", lambda *_, **__: (RedLooker().eval(), []))
    (tmp_path / "mine_for_benchmark.py").write_text(METHOD)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


def test_the_benchmark_tells_what_follows_the_network(finished: Path) -> None:
    methods = methods_of(
        ["mine: mine_for_benchmark.py:gradient_times_red", "mine_for_benchmark.py:opposite"]
    )
    table = benchmarking.benchmark(finished, methods, dataset="flowers", model="net")
    rows = table.set_index("method")
    assert set(rows.index) == {
        *("mine", "mine_for_benchmark.py:opposite", "lrp", "grad_cam"),
        *("random", "brightness", "edges", "true_mask", "oracle"),
    }
    # It is the map that the run has under another name.
    mine = rows.loc["mine"]
    for name in (
        "auc",
        "relevance_mass",
        "rank_correlation",
        "wrong_order",
        "rank_correlation_ci_low",
    ):
        assert mine[name] == pytest.approx(rows.loc["lrp", name], nan_ok=True), name
    assert rows.loc["oracle", "rank_correlation"] == pytest.approx(1)
    assert rows.loc["oracle", "wrong_order"] == 0
    mask = rows.loc["true_mask"]
    assert mask["auc"] > 0.99
    assert (mask["relevance_mass"], mask["relevance_rank"], mask["pointing"]) == (1, 1, 1)
    assert mine["seconds_per_image"] > 0
    assert np.isnan(rows.loc["lrp", "seconds_per_image"])
    assert rows.loc["mine_for_benchmark.py:opposite", "wrong_order"] == 1
    assert (mine["n_networks"], mine["n_images"]) == (2, 4)
    # Neither of these functions looks at the network; the run's methods do, the oracle was told.
    for name in ("mine", "mine_for_benchmark.py:opposite", "edges", "true_mask"):
        assert rows.loc[name, "sanity"] == pytest.approx(1), name
    assert rows.loc["lrp", "sanity"] < 0.99
    assert np.isnan(rows.loc["oracle", "sanity"])
    # A network without strides leaves no grid.
    assert rows["grid"].isna().all()
    # The opposite is worse than maps that know nothing, and the page says so.
    assert any("mine_for_benchmark.py:opposite" in text for text in beaten_by_controls(table))
    shown = page(table.assign(method=table["method"].replace("mine", "<b>mine")), "a <set>")
    assert "<b>" not in shown
    assert "&lt;b&gt;mine" in shown
    assert "a &lt;set&gt;" in shown


def test_the_grid_of_the_network_s_stride_is_measured(finished: Path, monkeypatch) -> None:
    class Strided(RedLooker):
        def __init__(self) -> None:
            super().__init__()
            self.conv.stride = (3, 3)

    monkeypatch.setattr(benchmarking, "load_model", lambda *_, **__: (Strided().eval(), []))
    Path("comb.py").write_text(
        "import torch\n"
        "def every_third(model, images, targets):\n"
        "    maps = torch.zeros(len(images), *images.shape[-2:])\n"
        "    maps[:, ::3, ::3] = 1\n"
        "    return maps\n"
        "def smooth(model, images, targets):\n"
        "    maps = torch.zeros(len(images), *images.shape[-2:])\n"
        "    return maps + torch.linspace(0, 1, maps.shape[-1])\n"
    )
    methods = methods_of(["comb.py:every_third", "comb.py:smooth"])
    table = benchmarking.benchmark(finished, methods, dataset="flowers", model="net")
    grid = table.set_index("method")["grid"]
    assert grid["comb.py:every_third"] > 0.9
    assert grid["comb.py:smooth"] < 0.05


def test_the_command_writes_a_table_and_a_page(finished: Path) -> None:
    arguments = ["benchmark", "--method", "mine_for_benchmark.py:opposite", "--run", str(finished)]
    done = CliRunner().invoke(
        app, [*arguments, "--dataset", "flowers", "--model", "net", "--out", "bench"]
    )
    assert done.exit_code == 0, done.output
    assert "follows" in done.output
    assert "oracle" in done.output
    table = pd.read_csv("bench/benchmark.csv")
    assert (table["kind"] == "yours").sum() == 1
    assert "mine_for_benchmark.py:opposite" in Path("bench/benchmark.html").read_text()


def test_a_network_of_the_user_s_is_scored_by_its_own_effects(finished: Path) -> None:
    """The same network by another way has the run's numbers; its weights come from a file."""
    Path("blue.py").write_text(
        "from tests.unit.studies.interventions.test_interventions_measure import RedLooker\n"
        "def make():\n"
        "    network = RedLooker()\n"
        "    network.conv.weight.data.flip(0)\n"
        "    network.fc.weight.data.zero_()\n"
        "    return network\n"
    )
    torch.save(RedLooker().state_dict(), "red.pt")
    methods = methods_of(["mine: mine_for_benchmark.py:gradient_times_red"])
    one = {"dataset": "flowers", "methods": methods}
    theirs = benchmarking.benchmark(finished, model="net", **one).set_index("method")
    mine = benchmarking.benchmark(finished, model="blue.py:make", weights="red.pt", **one)
    mine = mine.set_index("method")
    for name in ("mine", "true_mask", "oracle", "edges"):
        for column in ("auc", "rank_correlation", "wrong_order"):
            assert mine.loc[name, column] == pytest.approx(theirs.loc[name, column]), name
    assert mine.loc["grad_cam", "kind"] == "run"
    assert (mine["n_networks"] == 1).all()
    # Without its weights no part has an effect: nothing follows that.
    blank = benchmarking.benchmark(finished, model="blue.py:make", **one).set_index("method")
    assert np.isnan(blank.loc["mine", "rank_correlation"])
    with pytest.raises(VebiError, match="--weights are of a network of yours"):
        benchmarking.benchmark(finished, model="net", weights="red.pt", **one)


def test_what_the_benchmark_can_t_use_is_named(finished: Path) -> None:
    with pytest.raises(VebiError, match="no interventions on roses/net; it has flowers/net"):
        benchmarking.benchmark(finished, [], dataset="roses", model="net")
    for texts in (["a:b", "a:b"], ["lrp: a:b"], ["edges: a:b"]):
        with pytest.raises(VebiError, match="stands for another method"):
            methods_of(texts)
    with pytest.raises(VebiError, match="not of the form"):
        methods_of(["lrp"])
