"""Methods alongside those of a run, on a network that is known to use one part alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.unit.studies.interventions.known_network import (
    RedLooker,
    observe,
    write_files,
)
from typer.testing import CliRunner

from vebi.benchmark import bench as benches
from vebi.benchmark.compare import Comparison, benchmark, methods_of
from vebi.benchmark.page import page, warnings
from vebi.cli import app
from vebi.io.errors import VebiError

METHOD = """
import torch

def gradient_times_red(model, images, targets):
    return images[:, 0] / 255

def opposite(model, images, targets):
    return 1 - images[:, 0] / 255
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmark")
    write_files(folder)
    observe(folder, folder / "effects.h5")
    return folder


@pytest.fixture
def finished(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with two networks, as far as the benchmark reads it; the working directory has a method."""
    data = tmp_path / "run/data/flowers"
    data.mkdir(parents=True)
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
                source = folder / name
                (place / name).write_bytes(source.read_bytes() if source.is_file() else b"")
    monkeypatch.setattr(benches, "load_model", lambda *_, **__: (RedLooker().eval(), []))
    (tmp_path / "mine_for_benchmark.py").write_text(METHOD)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


def test_the_benchmark_tells_what_follows_the_network(finished: Path) -> None:
    methods = methods_of(
        ["mine: mine_for_benchmark.py:gradient_times_red", "mine_for_benchmark.py:opposite"]
    )
    found = benchmark(methods, run_folder=finished, dataset="flowers", model="net")
    table = found.table
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
    assert (mine["n_networks"], mine["n_images"], mine["n_scenes"]) == (2, 4, 4)
    # Neither of these functions looks at the network; the run's methods do, the oracle was told.
    for name in ("mine", "mine_for_benchmark.py:opposite", "edges", "true_mask"):
        assert rows.loc[name, "sanity"] == pytest.approx(1), name
    assert rows.loc["lrp", "sanity"] < 0.99
    assert np.isnan(rows.loc["oracle", "sanity"])
    # A network without strides leaves no grid.
    assert rows["grid"].isna().all()
    # The opposite is worse than maps that know nothing, and the page says so.
    assert any("mine_for_benchmark.py:opposite" in text for text in warnings(table))
    renamed = found.scores.assign(method=found.scores["method"].replace("mine", "<b>mine"))
    shown = page(Comparison(renamed, {}), "a <set>")
    assert "<b>mine" not in shown
    assert "&lt;b&gt;mine" in shown
    assert "a &lt;set&gt;" in shown
    assert "2 networks, 4 test images of 4 scenes" in shown


def test_the_grid_of_the_network_s_stride_is_measured(finished: Path, monkeypatch) -> None:
    class Strided(RedLooker):
        def __init__(self) -> None:
            super().__init__()
            self.conv.stride = (3, 3)

    monkeypatch.setattr(benches, "load_model", lambda *_, **__: (Strided().eval(), []))
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
    table = benchmark(methods, run_folder=finished, dataset="flowers", model="net").table
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
        "from tests.unit.studies.interventions.known_network import RedLooker\n"
        "def make():\n"
        "    network = RedLooker(6)\n"
        "    network.conv.weight.data.flip(0)\n"
        "    network.fc.weight.data.zero_()\n"
        "    return network\n"
    )
    torch.save(RedLooker(6).state_dict(), "red.pt")
    methods = methods_of(["mine: mine_for_benchmark.py:gradient_times_red"])
    one = {"dataset": "flowers", "methods": methods, "run_folder": finished}
    theirs = benchmark(model="net", **one).table.set_index("method")
    mine = benchmark(model="blue.py:make", weights="red.pt", **one).table.set_index("method")
    for name in ("mine", "true_mask", "oracle", "edges"):
        for column in ("auc", "rank_correlation", "wrong_order"):
            assert mine.loc[name, column] == pytest.approx(theirs.loc[name, column]), name
    assert mine.loc["grad_cam", "kind"] == "known"
    assert (mine["n_networks"] == 1).all()
    # Without its weights no part has an effect: nothing follows that.
    blank = benchmark(model="blue.py:make", **one).table.set_index("method")
    assert np.isnan(blank.loc["mine", "rank_correlation"])
    with pytest.raises(VebiError, match="--weights are of a network of yours"):
        benchmark(model="net", weights="red.pt", **one)


def test_what_the_benchmark_can_t_use_is_named(finished: Path) -> None:
    with pytest.raises(VebiError, match="no interventions on roses/net; it has flowers/net"):
        benchmark([], run_folder=finished, dataset="roses", model="net")
    for texts in (["a:b", "a:b"], ["lrp: a:b"], ["edges: a:b"]):
        with pytest.raises(VebiError, match="stands for another method"):
            methods_of(texts)
    with pytest.raises(VebiError, match="not of the form"):
        methods_of(["lrp"])
