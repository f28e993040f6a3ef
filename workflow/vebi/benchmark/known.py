"""The methods whose scores are published with the benchmark, and how they are made."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from vebi.benchmark.bench import Bench, Maps
from vebi.benchmark.compare import compare
from vebi.benchmark.reference import find, open_networks
from vebi.benchmark.score import SCORES
from vebi.catalogue.methods import METHODS, further_methods, user_method
from vebi.explanation.explainer import Explainer

# Features that the mu-Lasso selected. The two rankings of Lengerich et al. draw as deconv_gb does.
OF_FEATURES = tuple(name for name, one in METHODS.items() if one.metric == "relevance")
OF_CLASS = tuple(name for name, one in METHODS.items() if one.explains == "class")
# Of other libraries, by what their negative values mean (docs/methods.md).
ADAPTED = (
    user_method("captum:Saliency", "captum:Saliency", "absolute"),
    user_method("captum:DeepLift", "captum:DeepLift"),
    user_method(
        "captum:Occlusion",
        "captum:Occlusion(sliding_window_shapes=[3, 24, 24], strides=[3, 12, 12], baselines=128)",
    ),
    user_method("zennit:EpsilonAlpha2Beta1", "zennit:EpsilonAlpha2Beta1"),
    user_method("zennit:ExcitationBackprop", "zennit:ExcitationBackprop"),
)
NAMES = (*OF_FEATURES, *OF_CLASS, *(one.name for one in ADAPTED))


def score_known(
    dataset: str, model: str | None = None, names: Sequence[str] = NAMES
) -> pd.DataFrame:
    """Score known methods and controls on the published networks and scenes.

    Args:
        dataset: of the package.
        model: only networks of this name.
        names: of NAMES; those of other libraries need these installed.

    Returns:
        As `score.SCORES`, in its order.

    Raises:
        VebiError: no such data set, network or library.
    """
    with further_methods([one for one in ADAPTED if one.name in names]):
        benches = open_networks(dataset, model)
        for bench in benches:
            of_features = partial(_of_features, dataset, bench)
            bench.known = {
                name: partial(of_features if name in OF_FEATURES else bench.explain, name)
                for name in names
            }
        found = compare(benches, []).scores
    return found[SCORES.columns].sort_values(list(SCORES.keys), ignore_index=True)


def _of_features(dataset: str, bench: Bench, method: str) -> Maps:
    """Maps (n, H, W) of the features that were selected in the network, three for each image."""
    saved = find(dataset, f"{bench.name}-seed{bench.seed}.h5")
    explainer = Explainer.load(saved, bench.model)
    return np.stack([one.heatmap for one in explainer.explain(bench.images, method)])
