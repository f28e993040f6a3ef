"""The published networks, scenes and scores: what they promise, and that they are made of each other."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import vebi
from vebi.benchmark import reference
from vebi.benchmark.bench import Bench
from vebi.benchmark.compare import KNOWN, benchmark, compare, methods_of
from vebi.benchmark.controls import CONTROLS
from vebi.benchmark.score import SCORES
from vebi.catalogue.known import KNOWN as NAMES
from vebi.catalogue.measures import MEASURES
from vebi.cli import app
from vebi.data.an8flower.launch import INTERVENTION_RENDERER, render
from vebi.data.an8flower.scene import sample_scene, split_of_base
from vebi.data.dataset import TEST
from vebi.io.errors import VebiError
from vebi.io.files import sha256
from vebi.io.tables import read_table, write_table
from vebi.models.model_file import load_model
from vebi.studies.interventions.interventions_file import read_changes, read_interventions
from vebi.studies.interventions.measure import effects_on
from vebi.studies.interventions.parts import effects_of_parts

DATASET, CHEAP = "an8flower-double-12c", "gradient_x_input"
FOLDER = reference.ROOT / DATASET
SCENES = (0, 5)
RENDER_PYTHON = Path(
    os.environ.get("VEBI_RENDER_PYTHON", Path(__file__).parents[3] / ".venv-render/bin/python")
)


@pytest.fixture(scope="module")
def pictures():
    return list(read_interventions(FOLDER / reference.INTERVENTIONS))


@pytest.fixture(scope="module")
def bench(pictures) -> Bench:
    """The strided network on the images of two scenes."""
    ((name, seed),) = reference.network_names(DATASET, "an8flower-strided")
    model, _ = load_model(reference.find(DATASET, f"{name}-seed{seed}.pt"))
    few = [one for one in pictures if one.scene.base in SCENES]
    effects = effects_on(model, few, read_changes(FOLDER / reference.INTERVENTIONS))
    return Bench(name, seed, model, few, effects)


def test_files_have_their_checksums_and_nothing_in_them_is_executed() -> None:
    lines = (FOLDER / reference.SUMS).read_text().splitlines()
    sums = dict(reversed(line.split("  ")) for line in lines)
    made = {path.name for path in FOLDER.iterdir() if path.suffix in (".pt", ".h5")}
    assert set(sums) == made
    assert {name: sha256(FOLDER / name) for name in sums} == sums
    for path in FOLDER.glob("*.pt"):
        content = torch.load(path, weights_only=True)
        assert set(content) == {"spec", "classes", "state"}
    assert sum((FOLDER / name).stat().st_size for name in sums) < 6_000_000


def test_networks_know_every_image_and_have_their_selection(pictures) -> None:
    images = np.stack([one.image for one in pictures])
    labels = [one.scene.label for one in pictures]
    names = reference.network_names(DATASET)
    assert [name for name, _ in names] == ["an8flower-inferred", "an8flower-strided"]
    for name, seed in names:
        model, classes = load_model(FOLDER / f"{name}-seed{seed}.pt")
        for parameter in model.parameters():
            assert parameter.dtype == torch.float32
            # Which is how they are stored.
            assert torch.equal(parameter, parameter.half().float())
        # Another network or other weights would be refused.
        explainer = vebi.Explainer.load(FOLDER / f"{name}-seed{seed}.h5", model)
        assert explainer.classes == tuple(classes)
        predicted = model(torch.from_numpy(images).permute(0, 3, 1, 2).float()).argmax(1)
        assert predicted.tolist() == labels


def test_mask_and_network_agree_on_the_part_that_matters_most(pictures) -> None:
    """docs/benchmark.md says so: a map can't follow one of them there and not the other."""
    changes = read_changes(FOLDER / reference.INTERVENTIONS)
    for name, seed in reference.network_names(DATASET):
        model, _ = load_model(FOLDER / f"{name}-seed{seed}.pt")
        found = effects_on(model, pictures, changes)
        of_parts = effects_of_parts(
            found.score_drop,
            list(found.change_parts),
            list(found.change_kinds),
            list(found.parts),
        )
        most = np.where(np.isnan(of_parts), -np.inf, of_parts).argmax(1)
        assert most.tolist() == found.class_part.tolist(), name


def test_images_are_test_images_of_the_set(pictures) -> None:
    scenes = [one.scene for one in pictures]
    assert len(scenes) == 48
    assert len({scene.base for scene in scenes}) == 12
    assert {scene.label for scene in scenes} == set(range(12))
    for one in pictures:
        assert one.scene == sample_scene("double-12c", 0, one.index, views_per_base=3)
        assert split_of_base(one.scene.base) == TEST
        # What is removed or recoloured shows, and nothing changes everything.
        differs = (one.changed != one.image).any(-1)
        assert (differs.any((1, 2)) == one.applies).mean() > 0.9
        assert not differs.all()


@pytest.mark.slow
@pytest.mark.skipif(
    not RENDER_PYTHON.is_file(), reason=f"no rendering environment at {RENDER_PYTHON}"
)
def test_blender_draws_the_published_scenes(pictures, monkeypatch, tmp_path: Path) -> None:
    """One image and its interventions again, bit by bit."""
    monkeypatch.setenv("VEBI_RENDER_PYTHON", str(RENDER_PYTHON))
    one = pictures[1]
    arguments = ["--set", "double-12c", "--seed", "0", "--size", "112", "--samples", "6"]
    arguments += ["--views-per-base", "3", "--images", str(one.index), "--device", "cpu"]
    out = tmp_path / "again.h5"
    render([*arguments, "--out", str(out)], tmp_path / "log", INTERVENTION_RENDERER)
    (again,) = read_interventions(out)
    np.testing.assert_array_equal(again.image, one.image)
    np.testing.assert_array_equal(again.changed, one.changed)
    np.testing.assert_array_equal(again.applies, one.applies)
    assert all((again.masks[name] == one.masks[name]).all() for name in one.masks)


def test_scores_are_of_all_methods_controls_and_scenes() -> None:
    scores = reference.read_scores(DATASET)
    names = set(scores["model"])
    assert len(scores) == len(names) * 12 * (len(NAMES) + len(CONTROLS))
    # `tools/benchmark_reference.py score` makes those that are missing.
    assert set(scores["method"]) == {*NAMES, *CONTROLS}
    assert scores.groupby(["model", "method"])["n_images"].sum().eq(48).all()
    for name in MEASURES:
        given = scores[name].dropna()
        assert len(given)
        assert given.between(-1, 1).all()
    oracle = scores[scores["method"] == "oracle"]
    assert oracle["rank_correlation"].min() == 1
    assert oracle["wrong_order"].max() == 0
    mask = scores[scores["method"] == "true_mask"]
    assert (mask["relevance_mass"] == 1).all()
    assert (
        reference.read_scores(DATASET, "an8flower-strided")["model"] == "an8flower-strided"
    ).all()


def test_a_method_s_published_scores_are_made_of_the_published_files(bench, tmp_path: Path) -> None:
    """One cheap method and all controls, on two scenes; the best threshold is of all images."""
    bench = replace(bench, known={CHEAP: lambda: bench.explain(CHEAP)})
    found = compare([bench], []).scores
    assert set(found["method"]) == {CHEAP, *CONTROLS}
    write_table(tmp_path / "scores.csv", found[SCORES.columns], SCORES)
    keys = list(SCORES.keys)
    again = read_table(tmp_path / "scores.csv", SCORES).set_index(keys)
    published = reference.read_scores(DATASET).set_index(keys).loc[again.index]
    columns = [name for name in MEASURES if name != "best_iou"]
    # Processors differ in the last bits, which may swap two parts of nearly equal relevance.
    pd.testing.assert_frame_equal(again[columns], published[columns], atol=0.02, rtol=0)
    assert set(again["kind"]) == {KNOWN, "negative control", "positive control"}


@pytest.fixture
def published(bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two scenes instead of all, to save time; the working directory has a method."""
    monkeypatch.setattr(reference, "open_networks", lambda *_: [bench])
    everything = reference.read_scores

    def few(*arguments):
        found = everything(*arguments)
        return found[found["scene"].isin(SCENES)]

    monkeypatch.setattr(reference, "read_scores", few)
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "def explain(model, images, targets):\n"
        "    images.requires_grad_()\n"
        "    scores = model(images).gather(1, targets[:, None])\n"
        "    scores.sum().backward()\n"
        "    return images.grad * (images - model.input.mean)\n"
    )


def test_the_command_needs_a_method_and_nothing_else(published) -> None:
    arguments = ["benchmark", "--method", "mine.py:explain", "--model", "an8flower-strided"]
    done = CliRunner().invoke(app, [*arguments, "--out", "out"])
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "One network, 8 test images of 2 scenes: means with 95 % intervals over scenes" in said
    table = pd.read_csv("out/benchmark.csv").set_index("method")
    assert set(table.index) == {"mine.py:explain", *NAMES, *CONTROLS}
    mine, known = table.loc["mine.py:explain"], table.loc[CHEAP]
    assert (mine["kind"], known["kind"]) == ("yours", "known")
    # It is the known method, computed by other means; its scores are those published.
    for name in ("auc", "relevance_rank", "rank_correlation", "wrong_order", "sanity"):
        assert mine[name] == pytest.approx(known[name], abs=0.02), name
    assert (mine["n_networks"], mine["n_scenes"], mine["n_images"]) == (1, 2, 8)
    page = Path("out/benchmark.html").read_text()
    assert "mine.py:explain" in page
    assert "nothing of other networks" in page


def test_a_network_of_the_user_s_needs_no_run_and_no_blender(
    published, bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(bench.model.state_dict(), "weights.pt")
    Path("net.py").write_text(
        "from vebi.models.nets import NetSpec, build\n"
        "def make():\n"
        "    return build(NetSpec('an8flower_strided', (3, 112, 112), 12, 64.0))\n"
    )
    monkeypatch.setattr("vebi.benchmark.bench.read_interventions", lambda _: iter(bench.pictures))
    monkeypatch.setattr("vebi.benchmark.bench.METHODS", {})
    found = benchmark(
        methods_of(["mine.py:explain"]), dataset=DATASET, model="net.py:make", weights="weights.pt"
    )
    row = found.table.set_index("method").loc["mine.py:explain"]
    known = reference.read_scores(DATASET, "an8flower-strided")
    expected = known[known["method"] == CHEAP]
    for name in ("auc", "rank_correlation", "wrong_order"):
        assert row[name] == pytest.approx(expected[name].mean(), abs=0.02), name


def test_what_can_t_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        VebiError, match="no networks and scenes of 'roses'; it has an8flower-double"
    ):
        benchmark([], dataset="roses")
    with pytest.raises(
        VebiError, match=r"no network 'net' for .*an8flower-strided.* --model file\.py"
    ):
        benchmark([], dataset=DATASET, model="net")
    with pytest.raises(VebiError, match="'captum:Saliency' is in the table already"):
        benchmark(methods_of(["captum:Saliency"]), dataset=DATASET, model="an8flower-strided")
    shutil.copytree(FOLDER, tmp_path / DATASET)
    path = tmp_path / DATASET / "an8flower-strided-seed4.pt"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    with pytest.raises(VebiError, match=r"strided-seed4\.pt is not the file that was published"):
        reference.open_networks(DATASET, "an8flower-strided")
