"""Which method is ahead of which by a measure, and which of these differences can be told."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from vebi.benchmark.score import by_network, estimate
from vebi.catalogue.measures import MEASURES
from vebi.statistics import ALPHA, draw_key, holm

DRAWS = 2000


def rank_table(scores: pd.DataFrame, kinds: Sequence[str] = ("known", "yours")) -> pd.DataFrame:
    """The rank of every method among the methods of its network, by each measure; 1 is the best.

    `ci_low` and `ci_high` hold 95 % of the ranks when scenes (with several networks, these, too) are
    drawn again 2,000 times with replacement; `best` is the share of the draws in which the method is
    first. With a dozen scenes such an interval is somewhat narrow (results/reference/statistics).
    `differs`: whether the method can be told from the first one, by the paired difference over scenes
    (Student's t at 5 %, adjusted for all methods by Holm).

    Args:
        scores: as `score.SCORES`.
        kinds: of rows that take part: controls do not.

    Returns:
        `model`, `measure`, `method`, `rank`, `ci_low`, `ci_high`, `best`, `differs`; no row where a
        measure does not apply to a method.
    """
    rows = []
    for model, of_model in scores[scores["kind"].isin(kinds)].groupby("model", sort=False):
        by_method = dict(iter(of_model.groupby("method", sort=True)))
        for measure, about in MEASURES.items():
            values = {name: by_network(one, measure) for name, one in by_method.items()}
            names = [name for name, value in values.items() if not np.isnan(value).all()]
            if not names:
                continue
            sign = -1.0 if about.less_is_better else 1.0
            found = _ranks(sign * np.stack([values[name] for name in names]))
            keys = {"model": model, "measure": measure, "method": names}
            rows.append(pd.DataFrame({**keys, **found}))
    return pd.concat(rows, ignore_index=True)


def _ranks(values: NDArray[np.float64]) -> dict[str, NDArray[np.generic]]:
    """Columns of the methods (M) from what is better the higher it is: (M, networks, scenes)."""
    n_methods, n_networks, n_scenes = values.shape
    rng = np.random.default_rng(draw_key("benchmark: ranks", n_methods, n_networks, n_scenes))
    scenes = rng.multinomial(n_scenes, np.full(n_scenes, 1 / n_scenes), DRAWS)
    networks = rng.multinomial(n_networks, np.full(n_networks, 1 / n_networks), DRAWS)
    given = ~np.isnan(values)
    means = np.divide(
        np.einsum("di,dj,mij->dm", networks, scenes, np.where(given, values, 0.0), optimize=True),
        np.einsum("di,dj,mij->dm", networks, scenes, given.astype(float), optimize=True),
    )
    drawn = rankdata(-means, axis=1, method="min")
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0, method="inverted_cdf")
    first = drawn == 1
    mean = np.nanmean(np.nanmean(values, axis=2), axis=1)
    differences = values[mean.argmax()] - values
    p_values = np.array([estimate(one).p_value() for one in differences])
    p_values[mean.argmax()] = np.nan
    return {
        "rank": rankdata(-mean, method="min").astype(int),
        "ci_low": low.astype(int),
        "ci_high": high.astype(int),
        "best": (first / first.sum(1, keepdims=True)).mean(0),
        "differs": holm(p_values) < ALPHA,
    }
