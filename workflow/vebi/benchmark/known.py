"""The methods whose scores are published with the benchmark, and how they are made."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from vebi.benchmark.bench import Bench, Maps
from vebi.benchmark.compare import compare
from vebi.benchmark.reference import find, open_networks
from vebi.benchmark.score import SCORES
from vebi.catalogue.known import ADAPTED, KNOWN, OF_FEATURES
from vebi.catalogue.methods import further_methods
from vebi.explanation.explainer import Explainer
from vebi.models.model_file import load_model
from vebi.run.plan import Run
from vebi.selection.path_file import read_solution


def score_known(
    dataset: str, model: str | None = None, names: Sequence[str] = KNOWN
) -> pd.DataFrame:
    """Score known methods and controls on the published networks and scenes.

    Args:
        dataset: of the package.
        model: only networks of this name.
        names: of KNOWN; those of other libraries need these installed.

    Returns:
        As `score.SCORES`, in its order.

    Raises:
        VebiError: no such data set, network or library.
    """
    found = []
    for bench in open_networks(dataset, model):
        saved = find(dataset, f"{bench.name}-seed{bench.seed}.h5")
        found.append(score_network(bench, Explainer.load(saved, bench.model), names))
    return _in_order(pd.concat(found))


def score_network(bench: Bench, explainer: Explainer, names: Sequence[str] = KNOWN) -> pd.DataFrame:
    """Score known methods and controls on one network.

    Args:
        bench: the network, its scenes, and what interventions on these do to it.
        explainer: the same network with the features that were selected in it.
        names: of KNOWN; those of other libraries need these installed.

    Returns:
        As `score.SCORES`, in its order.

    Raises:
        VebiError: a library that is not installed.
    """
    of_features = partial(_of_features, explainer, bench)
    known = {
        name: partial(of_features if name in OF_FEATURES else bench.explain, name) for name in names
    }
    with further_methods([one for one in ADAPTED if one.name in names]):
        return _in_order(compare([replace(bench, known=known)], []).scores)


def score_run(
    run: Run,
    *,
    model: Path,
    path: Path,
    interventions: Path,
    names: Sequence[str],
    mu: float,
    descriptor: str,
) -> pd.DataFrame:
    """Score known methods and controls on a network of a run.

    Args:
        run: which network it is.
        model: its model.pt.
        path: path.h5 with the features selected in it.
        interventions: the images, and what is changed in them.
        names: of KNOWN; those of other libraries need these installed.
        mu: the bound whose features are shown.
        descriptor: what these were selected on.

    Returns:
        As `score.SCORES`, in its order.

    Raises:
        VebiError: a library that is not installed.
    """
    network, classes = load_model(model)
    bench = Bench.of(run["model"], run["seed"], network, interventions)
    explainer = Explainer(network, read_solution(path), mu, tuple(classes), descriptor)
    return score_network(bench, explainer, names)


def _in_order(scores: pd.DataFrame) -> pd.DataFrame:
    return scores[SCORES.columns].sort_values(list(SCORES.keys), ignore_index=True)


def _of_features(explainer: Explainer, bench: Bench, method: str) -> Maps:
    """Maps (n, H, W) of the features that were selected in the network, three for each image."""
    return np.stack([one.heatmap for one in explainer.explain(bench.images, method)])
