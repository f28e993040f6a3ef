"""Effects, features and tables of a network that is known to use one part alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.unit.studies.interventions.known_network import (
    SIZE,
    RedLooker,
    network,
    observe,
    write_files,
)

from vebi.config.interventions import EffectConfig
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.io.errors import VebiError
from vebi.io.tables import write_table
from vebi.studies.interventions import STUDY
from vebi.studies.interventions.effects_file import Effects
from vebi.studies.interventions.figures import (
    draw_faithfulness,
    draw_feature_parts,
    draw_part_effects,
)
from vebi.studies.interventions.interventions_file import (
    read_changes,
    read_interventions,
    write_compact,
)
from vebi.studies.interventions.measure import effects_on, measure
from vebi.studies.interventions.panels import draw_run_panels, draw_run_scatter
from vebi.studies.interventions.tables import CLASS_PART, MEASURES, shares_of_parts, tabulate

RUNS = [{"dataset": "d", "model": "m", "seed": seed} for seed in (0, 1)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interventions")
    write_files(folder)
    return folder


@pytest.fixture(scope="module")
def effects(folder: Path) -> Effects:
    return observe(folder, folder / "effects.h5")


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
    other = observe(folder, tmp_path / "effects.h5", batch_size=64)
    np.testing.assert_allclose(other.score_drop, effects.score_drop, rtol=1e-5, atol=1e-5)
    again = observe(folder, tmp_path / "again.h5", batch_size=64)
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


def test_shares_of_parts_are_the_table_s(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    rows = tables["feature_parts"].query("seed == 0")
    shares = shares_of_parts(folder / "effects.h5", folder / "descriptors.h5")
    assert shares == {0: {("conv", 0): dict(zip(rows["part"], rows["change"], strict=True))}}


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
    assert [t.get_text() for t in grid.get_yticklabels()] == ["class 0: conv, channel 0"]
    panels = draw_run_panels(folder / "interventions.h5", folder / "effects.h5", 2)
    titles = [axis.get_title() for axis in panels.axes]
    assert titles.count("image") == 2
    assert titles.count("petals\nremoved") == 2
    scatter = draw_run_scatter(folder / "effects.h5")
    assert [axis.get_title() for axis in scatter.axes[:3]] == [
        *("Grad-CAM", "LRP", "random\nmap"),
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


def test_any_network_s_effects_are_those_of_the_pipeline(folder: Path, effects: Effects) -> None:
    """Without a data set, features and boxes; from a compact file, too, in which only changes stand."""
    write_compact(folder / "interventions.h5", folder / "compact.h5")
    for name in ("interventions.h5", "compact.h5"):
        pictures = list(read_interventions(folder / name))
        found = effects_on(RedLooker().eval(), pictures, read_changes(folder / name))
        for column in ("image_index", "class_part", "parts", "area", "score", "changed_class"):
            np.testing.assert_array_equal(getattr(found, column), getattr(effects, column))
        for column in ("score_drop", "probability_drop"):
            np.testing.assert_allclose(getattr(found, column), getattr(effects, column), rtol=1e-5)
        assert np.isnan(found.box_drop).all()
        assert found.scene.tolist() == [0, 1, 2, 3]
    sizes = [(folder / name).stat().st_size for name in ("interventions.h5", "compact.h5")]
    assert sizes[1] < sizes[0]
