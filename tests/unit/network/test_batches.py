"""Batches are halved where memory ends: a real network that refuses more images than it has room for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vebi.config.artefacts import ArtefactScoreConfig
from vebi.config.occlusion import OcclusionConfig
from vebi.config.robustness import RobustnessConfig
from vebi.config.sanity import RandomisationConfig
from vebi.config.stages import HeatmapConfig
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors import describe, open_descriptors
from vebi.heatmaps import write_heatmaps
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.io.errors import VebiError
from vebi.models.nets import NetSpec, build, initialise
from vebi.models.train import TrainingSettings, accuracy, to_batch, train
from vebi.network import list_layers
from vebi.network.batches import map_batches
from vebi.studies.ablation.ablate import ablate
from vebi.studies.mcgill.removal import predict_without


@contextmanager
def memory_for(n: int) -> Iterator[list[int]]:
    """While this lasts every convolution raises torch's error of a full GPU for more than `n` images.

    Gives the sizes that went through.
    """
    sizes: list[int] = []

    def refuse(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if not isinstance(module, nn.Conv2d):
            return
        if len(inputs[0]) > n:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        sizes.append(len(inputs[0]))

    handle = nn.modules.module.register_module_forward_pre_hook(refuse)
    try:
        yield sizes
    finally:
        handle.remove()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (23, 28, 28, 1), dtype=np.uint8)
    path = tmp_path_factory.mktemp("data") / "dataset.h5"
    labels, split = rng.integers(0, 10, 23), np.arange(23) % 2
    masks = {"masks": rng.random((23, 28, 28)) < 0.3}
    write_dataset(path, Images(images, labels, split, [str(i) for i in range(10)], masks))
    return open_dataset(path)


@pytest.fixture(scope="module")
def net() -> nn.Module:
    net = build(NetSpec("matconvnet", (1, 28, 28), 10, 64.0))
    initialise(net, 1)
    return net.eval()


@given(st.integers(0, 40), st.integers(1, 12), st.integers(1, 12))
def test_every_image_once_in_order_and_never_more_than_fit(n: int, size: int, room: int) -> None:
    rows = np.arange(n)
    batches = [(rows[i : i + size], rows[i : i + size, None] * 2) for i in range(0, n, size)]
    asked = []

    def compute(rows: np.ndarray, images: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        if len(rows) > room:
            raise torch.OutOfMemoryError
        assert (images[:, 0] == rows * 2).all()
        return images[:, 0]

    found = list(map_batches(batches, compute))
    assert [row for rows, _ in found for row in rows] == list(range(n))
    assert all((values == rows * 2).all() for rows, values in found)
    # What did not fit once is not tried again: each refusal halves.
    assert sum(one > room for one in asked) <= int(np.ceil(np.log2(size))) + 1


def test_descriptors(dataset, net, tmp_path: Path) -> None:
    describe(net, dataset, tmp_path / "whole.h5", batch_size=16)
    with memory_for(3) as sizes:
        describe(net, dataset, tmp_path / "parts.h5", batch_size=16)
    assert max(sizes) <= 3
    with h5py.File(tmp_path / "whole.h5") as whole, h5py.File(tmp_path / "parts.h5") as parts:
        np.testing.assert_allclose(parts["X"][:], whole["X"][:], rtol=1e-5, atol=1e-8)
        np.testing.assert_array_equal(parts["predictions"][:], whole["predictions"][:])


def test_ablation_complete_and_partial(dataset, net) -> None:
    indices = np.arange(23)
    layers = list_layers(net, torch.zeros(1, 1, 28, 28))
    conditions = [np.zeros((0, 2), int), np.array([[0, 0], [0, 3]])]
    for removal in ("complete", "partial"):
        whole = predict_without(net, dataset, indices, conditions, removal=removal, layers=layers)
        with memory_for(5) as sizes:
            parts = predict_without(
                net, dataset, indices, conditions, removal=removal, layers=layers
            )
        assert max(sizes) <= 5
        np.testing.assert_array_equal(parts, whole)


def test_heatmaps(dataset, net, tmp_path: Path) -> None:
    describe(net, dataset, tmp_path / "d.h5")
    descriptors = open_descriptors(tmp_path / "d.h5")
    weights = np.random.default_rng(1).random((10, descriptors.rows(np.arange(1)).shape[1]))
    methods = ("vebi", "grad_cam", "integrated_gradients")
    network = InterpretedNetwork(net, dataset, descriptors, weights)
    for name in ("whole", "parts"):
        paths = {method: tmp_path / f"{name}-{method}.h5" for method in methods}
        # Integrated gradients take a batch's points of the path one after the other.
        with memory_for(4 if name == "parts" else 100) as sizes:
            write_heatmaps(network, paths, HeatmapConfig(batch_size=8))
        assert max(sizes) == (4 if name == "parts" else 8)
    for method in methods:
        with (
            h5py.File(tmp_path / f"whole-{method}.h5") as whole,
            h5py.File(tmp_path / f"parts-{method}.h5") as parts,
        ):
            assert set(whole) == set(parts)
            np.testing.assert_array_equal(parts["image_index"][:], whole["image_index"][:])
            np.testing.assert_allclose(parts["heatmaps"][:], whole["heatmaps"][:], atol=1e-5)
            if "features" in whole:
                np.testing.assert_array_equal(parts["features"][:], whole["features"][:])


@pytest.fixture(scope="module")
def explained(dataset, net, tmp_path_factory):
    """The network with weights that choose features of every layer, and finished heatmaps."""
    folder = tmp_path_factory.mktemp("explained")
    describe(net, dataset, folder / "descriptors.h5")
    descriptors = open_descriptors(folder / "descriptors.h5")
    weights = np.random.default_rng(1).random((10, len(descriptors.feature_layer)))
    paths = {"vebi": folder / "vebi.h5"}
    network = InterpretedNetwork(net, dataset, descriptors, weights)
    write_heatmaps(network, paths, HeatmapConfig())
    return network, paths


def assert_same_content(first: Path, second: Path) -> None:
    with h5py.File(first) as a, h5py.File(second) as b:
        names: list[str] = []
        a.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        assert names
        for name in names:
            x, y = a[name][()], b[name][()]
            if np.asarray(x).dtype.kind == "f":
                np.testing.assert_allclose(y, x, atol=1e-5, err_msg=name)
            else:
                np.testing.assert_array_equal(y, x, err_msg=name)


def score_artefacts(net, dataset, explained, out: Path) -> None:
    from vebi.studies.artefacts.measure import measure

    network, paths = explained
    measure(network, paths, out, ArtefactScoreConfig(images=11, layers=9, batch_size=8))


def occlude(net, dataset, explained, out: Path) -> None:
    from vebi.studies.occlusion.measure import measure

    settings = OcclusionConfig(images=2, draws=2, steps=3, box=0.1, batch_size=8)
    measure(net, dataset, explained[1], out, settings, seed=0)


def check_sanity(net, dataset, explained, out: Path) -> None:
    from vebi.studies.sanity.measure import measure

    maps = HeatmapConfig(
        methods=["vebi", "grad_cam", "integrated_gradients", "resampling_correlation"],
        batch_size=8,
        ig_steps=2,
    )
    # One layer: fewer stages than a configuration may ask for.
    settings = RandomisationConfig.model_construct(images=9, layers=1)
    measure(explained[0], out, settings, maps, key=[0, 0], seed=0)


def study_robustness(net, dataset, explained, out: Path) -> None:
    from vebi.studies.robustness.measure import Measures, run_study
    from vebi.studies.robustness.robustness_file import write_findings

    variants = RobustnessConfig(descriptors=["vebi_text"], mu=[5.0], repeats=1)
    measures = Measures(labels="predictions", heatmap_batch=8, ablation_batch=8)
    path = explained[0].descriptors.path
    findings = run_study(net, dataset, path, variants, measures, key=[0, 0])
    write_findings(out, findings)


def resample(net, dataset, explained, out: Path) -> None:
    from vebi.perturbation.resample import Sampling
    from vebi.studies.perturbation.measure import Selected, StudySettings, run_study
    from vebi.studies.perturbation.metrics_file import write_metrics

    network, _ = explained
    descriptors = network.descriptors
    selected = Selected(network.weights, descriptors.feature_layer, descriptors.feature_channel)
    samplings = [Sampling("additive_noise", 0.2, 16, 8)]
    settings = StudySettings(9, 9, (2,), 1, 8)
    findings = run_study(net, dataset, selected, samplings, settings, seed=0, key=(0,))
    write_metrics(out, findings.measured, samplings)


def cut_patches(net, dataset, explained, out: Path) -> None:
    from vebi.studies.perturbation.patches import patches

    images = to_batch(dataset.images_at(np.arange(9))).float()
    layers = list_layers(net, images[:1])
    features = np.tile(np.array([[0, 1], [2, 3]]), (9, 1, 1))
    with h5py.File(out, "w") as file:
        file["union"] = patches(net, images, layers, features, 8)


def explain_own_images(net, dataset, explained, out: Path) -> None:
    from vebi import fit

    explainer = fit(net, dataset.read("images"), mu=3.0, batch_size=8)
    found = explainer.explain(dataset.images_at(np.arange(9)))
    with h5py.File(out, "w") as file:
        file["weights"] = explainer.solution.weights_at(3.0)
        file["heatmaps"] = np.stack([feature.heatmap for one in found for feature in one.features])


STUDIES = [
    *(score_artefacts, occlude, check_sanity, study_robustness),
    *(resample, cut_patches, explain_own_images),
]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.__name__)
def test_studies(dataset, net, explained, tmp_path: Path, study) -> None:
    with memory_for(1000) as sizes:
        study(net, dataset, explained, tmp_path / "whole.h5")
    # The study asks for batches that the smaller memory below has no room for.
    assert max(sizes) >= 8
    with memory_for(5) as sizes:
        study(net, dataset, explained, tmp_path / "parts.h5")
    assert max(sizes) <= 5
    assert_same_content(tmp_path / "whole.h5", tmp_path / "parts.h5")


def test_accuracy(dataset, net) -> None:
    images, labels = to_batch(dataset.read("images")), torch.from_numpy(dataset.labels)
    whole = accuracy(net, images, labels, torch.device("cpu"))
    with memory_for(6):
        assert accuracy(net, images, labels, torch.device("cpu")) == whole


def test_training_is_not_changed_but_ends_with_the_way_out(dataset) -> None:
    settings = TrainingSettings(1, 8, "sgd", 0.001)
    with memory_for(4), pytest.raises(VebiError, match=r"batches of 8 images.*batch_size"):
        train(dataset, "matconvnet", settings, 0, torch.device("cpu"))


def test_not_even_one_image_fits(dataset, net) -> None:
    layers = list_layers(net, torch.zeros(1, 1, 28, 28))
    images = dataset.batches(np.arange(3), 2)
    with memory_for(0), pytest.raises(VebiError, match=r"single image.*device: cpu"):
        list(map_batches(images, lambda _, raw: net(to_batch(raw).float())))
    with memory_for(0), pytest.raises(VebiError, match=r"single image"):
        ablate(net, dataset, np.arange(3), [np.zeros((0, 2), int)], layers=layers)
