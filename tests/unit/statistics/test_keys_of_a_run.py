"""Every draw of a run has a stream of its own: the keys of the smoke plan, collected where they are made.

Studies draw by the functions that the jobs call. What is shared on purpose is asked for once: places of
boxes, copies of an image and maps of chance are the same for all networks that see the image.
"""

from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from snakemake.iocontainers import Params, Wildcards
from torch import nn

from vebi.compute.determinism import derived_seed
from vebi.config.parse import parse_config
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.network.layers import list_layers
from vebi.perturbation.metrics import Metrics
from vebi.perturbation.perturbations import perturb
from vebi.run.job import Task
from vebi.run.plan import Plan, Run
from vebi.statistics import draw_key
from vebi.studies.ablation import measure as ablation
from vebi.studies.iou import iou_file
from vebi.studies.mcgill import measure as mcgill
from vebi.studies.mcgill import sensitivity
from vebi.studies.mcgill.report_networks import REPORTED
from vebi.studies.occlusion import measure as occlusion
from vebi.studies.perturbation.chosen_channels import Measured, choose_sets, repeats_of
from vebi.studies.perturbation.influence import CHOICES
from vebi.studies.robustness import measure as robustness
from vebi.studies.robustness.robustness_file import settings_of
from vebi.studies.sanity.randomise import weights_key, with_random_labels

CONFIG = Path(__file__).parents[3] / "config"
IMAGES = (0, 1, 7)


def merged(base: dict, extra: dict) -> dict:
    """As Snakemake merges a second configuration file into the first."""
    both = dict(base)
    for key, value in extra.items():
        nested = isinstance(value, dict) and isinstance(both.get(key), dict)
        both[key] = merged(both[key], value) if nested else value
    return both


@pytest.fixture(scope="module")
def plan() -> Plan:
    files = [yaml.safe_load((CONFIG / name).read_text()) for name in ("config.yaml", "smoke.yaml")]
    return Plan(parse_config(merged(*files)), Path("results/smoke"))


@pytest.fixture
def streams(monkeypatch):
    """What was drawn from each stream, by the stream's first words: the recorder's `name` at the time."""
    found = defaultdict(list)
    recorder = SimpleNamespace(name="", found=found)
    original = np.random.default_rng

    def recorded(key):
        found[tuple(np.random.SeedSequence(key).generate_state(4).tolist())].append(recorder.name)
        return original(key)

    monkeypatch.setattr(np.random, "default_rng", recorded)
    return recorder


def key_of(plan: Plan, run: Run) -> tuple[int, ...]:
    params = Params(fromdict={"root_seed": plan.config.seed})
    wildcards = Wildcards(fromdict={name: str(value) for name, value in run.items()})
    return Task("rule", [], [], params, wildcards).seed_key


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "d.h5"
    images = np.zeros((8, 6, 6, 1), np.uint8)
    write_dataset(path, Images(images, np.arange(8) % 2, np.arange(8) // 4, ["a", "b"]))
    return open_dataset(path)


NET = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)).eval()
LAYERS = list_layers(NET, torch.zeros(1, 1, 6, 6))
PAIRS = np.array([[0, 0], [0, 2]])


def draw_ablation(plan, key, dataset, monkeypatch) -> None:
    def guess(model, data, rows, conditions, *_, **__):
        return np.zeros((len(conditions), len(rows)), int)

    monkeypatch.setattr(ablation, "ablate", guess)
    monkeypatch.setattr(ablation, "get_selected", lambda *_: PAIRS)
    selection = plan.config.selection
    tables = {scope: pd.DataFrame() for scope in selection.scopes}
    ablation.run_study(NET, dataset, tables, plan.config.ablation, mus=selection.mu, key=key)


def draw_robustness(plan, key, monkeypatch) -> None:
    monkeypatch.setattr(robustness, "get_selected", lambda *_: PAIRS)
    monkeypatch.setattr(robustness, "selected_features_table", lambda *_: None)
    settings = plan.config.robustness
    solved = {setting: {"all": None, "conv": None} for setting in settings_of(settings)}
    robustness.draw_conditions(solved, LAYERS, settings.repeats, key)


def draw_mcgill(plan, network, key) -> None:
    reported, settings = REPORTED[network.kind], plan.config.mcgill
    selected = {
        (labels, solver, mu, rows): PAIRS
        for labels in ("annotations", "predictions")
        for solver in network.solvers
        for mu in network.mu
        for rows in reported.rows
    }
    pool = np.array([(0, channel) for channel in range(4)])
    mcgill._draw_conditions(selected, dict.fromkeys(reported.rows, pool), settings.repeats, key)
    sensitivity._draw_subsets(np.arange(400), settings, key)


def draw_channels(plan, key, perturbation) -> None:
    settings = plan.config.resampling
    some = np.arange(1.0, 5.0)
    values = Metrics(some, some, some, some, np.ones(4, bool))
    of_layer = {0: [values] * len(IMAGES)}
    measured = Measured(
        (LAYERS[0],), np.array(IMAGES), np.zeros(len(IMAGES), int), of_layer, perturbation, key
    )
    for k in settings.k:
        for choice in CHOICES:
            for repeat in range(repeats_of(choice, settings.repeats)):
                choose_sets(measured, choice, min(k, 2), repeat)


def test_no_two_draws_of_a_run_share_a_stream(plan, streams, dataset, monkeypatch) -> None:
    config, root = plan.config, plan.config.seed
    truth = SimpleNamespace(masks=np.zeros((len(IMAGES), 6, 6), bool), image_index=np.array(IMAGES))
    streams.name = "chance"
    iou_file._chance(truth, root)
    for image in IMAGES:
        streams.name = f"boxes {image}"
        occlusion._draw_exponentials(root, image, (config.occlusion.draws, 6, 6))
        for one in config.resampling.perturbations:
            streams.name = f"copies by {one.name} of {image}"
            pixels = np.zeros((1, 6, 6), np.float32)
            list(perturb(pixels, pixels, one.name, 3, one.strength, key=(root, image)))
    for run in plan.runs():
        key, name = key_of(plan, run), f"{run['dataset']} {run['model']} {run['seed']}"
        streams.name = f"ablation {name}"
        draw_ablation(plan, key, dataset, monkeypatch)
        streams.name = f"robustness {name}"
        draw_robustness(plan, key, monkeypatch)
        streams.name = f"sanity {name}"
        for position in range(3):
            np.random.default_rng(weights_key(key, position))
        with_random_labels(dataset, draw_key("sanity: shuffled labels", *key))
        for one in config.resampling.perturbations:
            streams.name = f"channels {one.name} {name}"
            draw_channels(plan, key, one.name)
            for epoch in config.resampling.epoch_study.epochs:
                streams.name = f"channels {one.name} {name} epoch {epoch}"
                draw_channels(plan, (*key, epoch), one.name)
    for network in config.mcgill.networks:
        for seed in config.seeds[: config.mcgill.seeds]:
            run = Run(dataset=network.dataset, model=network.model, seed=seed)
            streams.name = f"mcgill {network.model} {seed}"
            draw_mcgill(plan, network, key_of(plan, run))
    assert len(streams.found) > 300
    alike = {tuple(names) for names in streams.found.values() if len(names) > 1}
    assert not alike


def test_studies_draw_from_other_streams_than_training_and_scenes(
    plan, streams, monkeypatch
) -> None:
    """Training and scenes keep keys of a few small numbers, or every network would change.

    Studies' keys are 128 bits. So none is such a key, padded with zeros or not.
    """
    config = plan.config
    key = key_of(plan, plan.runs()[0])
    streams.name = "studies"
    draw_robustness(plan, key, monkeypatch)
    occlusion._draw_exponentials(config.seed, 1, (3, 6, 6))
    streams.name = "training"
    for seed in config.seeds:
        for epoch in range(1, 9):
            np.random.default_rng([seed, 1, epoch])
            np.random.default_rng(derived_seed(seed, 2, epoch))
    streams.name = "scenes"
    for family in range(4):
        for purpose in range(1, 6):
            np.random.default_rng([config.seed, family, purpose, 3])
    groups = [set(names) for names in streams.found.values()]
    assert any(names == {"studies"} for names in groups)
    assert all(len(names) == 1 for names in groups if "studies" in names)


def test_the_recorder_sees_what_numpy_takes_for_one_stream(streams) -> None:
    """[a, b] and [a, b, 0] are one stream: as the ablation's and the robustness study's once were."""
    streams.name = "a"
    np.random.default_rng([4, 2])
    streams.name = "b"
    np.random.default_rng([4, 2, 0])
    assert list(streams.found.values()) == [["a", "b"]]
