"""The table of the benchmark over networks: it is the scores', and pages read it back as it was."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vebi.benchmark import bench as benches
from vebi.benchmark import reference
from vebi.benchmark.known import score_run
from vebi.benchmark.ranks import rank_table
from vebi.benchmark.score import SCORES, summarise
from vebi.benchmark.tables import ranks_of, tabulate, wide_table
from vebi.catalogue.measures import MEASURES
from vebi.io.tables import read_table, write_table
from vebi.statistics import over_networks_and_scenes
from vebi.studies.benchmark import STUDY
from vebi.studies.interventions.interventions_file import read_interventions

DATASET, MODEL = "an8flower-double-12c", "an8flower-strided"
SCENES = np.arange(12)
KINDS = {"a": "known", "b": "known", "edges": "negative control"}


def scores(seed: int) -> pd.DataFrame:
    """Random scores of a network; `b` has no value by one of the measures."""
    rng = np.random.default_rng(seed)
    parts = []
    for method, kind in KINDS.items():
        about = {"model": "net", "seed": seed, "method": method, "kind": kind, "n_images": 4}
        values = {name: rng.random(12) for name in MEASURES}
        parts.append(pd.DataFrame({**about, "scene": SCENES, **values, "best_threshold": 0.5}))
    table = pd.concat(parts, ignore_index=True)
    table.loc[table["method"] == "b", "sanity"] = np.nan
    return table


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The scores of three networks, and the table that is made and written of them."""
    folder = tmp_path_factory.mktemp("tables")
    paths = [folder / f"{seed}.csv" for seed in range(3)]
    for seed, path in enumerate(paths):
        write_table(path, scores(seed), SCORES)
    runs = [{"dataset": "flowers", "model": "net", "seed": seed} for seed in range(3)]
    table = STUDY.tables["benchmark"]
    write_table(folder / "benchmark.csv", tabulate(paths, runs)["benchmark"], table)
    together = pd.concat([read_table(path, SCORES) for path in paths], ignore_index=True)
    return together, read_table(folder / "benchmark.csv", table)


def test_each_value_is_over_networks_and_scenes(written) -> None:
    together, table = written
    assert len(table) == len(KINDS) * len(MEASURES) - 1
    rows = table.set_index(["method", "measure"])
    of_a = together[together["method"] == "a"]
    expected = over_networks_and_scenes(of_a["auc"].to_numpy().reshape(3, 12))
    found = rows.loc[("a", "auc"), ["value", "ci_low", "ci_high"]].astype(float)
    assert found.tolist() == pytest.approx([expected.value, expected.low, expected.high], abs=1e-6)
    assert (table["n_networks"] == 3).all()
    assert (table["n_scenes"] == 12).all()
    assert (table["n_images"] == 48).all()
    # Controls take no rank, and the only method with a value has the first.
    assert rows.loc["edges", "rank"].isna().all()
    assert rows.loc[("a", "sanity"), "rank"] == 1
    assert rows.loc[("a", "sanity"), "best"] == 1


def test_pages_read_it_as_the_command_computes_it(written) -> None:
    together, table = written
    wide, expected = wide_table(table), summarise(together)
    assert wide["method"].tolist() == expected["method"].tolist()
    columns = [column for column in wide.columns if column != "seconds_per_image"]
    pd.testing.assert_frame_equal(
        wide[columns], expected[columns], check_dtype=False, atol=1e-6, rtol=0
    )
    keys = ["measure", "method"]
    ranks, computed = (
        one.sort_values(keys, ignore_index=True) for one in (ranks_of(table), rank_table(together))
    )
    pd.testing.assert_frame_equal(
        ranks[computed.columns], computed, check_dtype=False, atol=1e-6, rtol=0
    )


def test_a_network_of_a_run_has_the_scores_of_the_published_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same network, selection and scenes, read as a job reads them."""
    interventions = reference.find(DATASET, reference.INTERVENTIONS)
    few = [one for one in read_interventions(interventions) if one.scene.base == 0]
    monkeypatch.setattr(benches, "read_interventions", lambda _: iter(few))
    ((name, seed),) = reference.network_names(DATASET, MODEL)
    found = score_run(
        {"dataset": DATASET, "model": name, "seed": seed},
        model=reference.find(DATASET, f"{name}-seed{seed}.pt"),
        path=reference.find(DATASET, f"{name}-seed{seed}.h5"),
        interventions=interventions,
        names=["deconv_gb", "grad_cam"],
        mu=5,
        descriptor="vebi_text",
    )
    write_table(tmp_path / "scores.csv", found, SCORES)
    again = read_table(tmp_path / "scores.csv", SCORES).set_index(list(SCORES.keys))
    assert {"deconv_gb", "grad_cam", "oracle"} <= set(again.index.unique("method"))
    published = reference.read_scores(DATASET).set_index(list(SCORES.keys)).loc[again.index]
    columns = [name for name in MEASURES if name != "best_iou"]
    pd.testing.assert_frame_equal(again[columns], published[columns], atol=0.02, rtol=0)
