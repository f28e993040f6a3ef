"""Intervals, tests and verdicts: what may be said of a number, each in one place.

`effects` and `pooled` estimate a mean over networks, scenes and cells as an `Estimate`; `values`
predicts one more network, `proportions` counts hits, `verdicts` turns any of them into the words of
the claims, `orderings` an interval alone into those of the tables. `paired` compares two methods on the
same images, `bootstrap` and `sign_flips` resample. docs/statistics.md has the rules, their reasons and
references.
"""

from vebi.statistics.bootstrap import (
    bootstrap_interval,
    cluster_interval,
    crossed_interval,
    nested_interval,
)
from vebi.statistics.effects import (
    Cell,
    over_images,
    over_networks,
    over_networks_and_draws,
    over_networks_and_scenes,
    over_scenes,
    scene_means,
    scene_values,
)
from vebi.statistics.estimate import Estimate
from vebi.statistics.families import holm
from vebi.statistics.keys import draw_key
from vebi.statistics.margins import MARGINS, Margin
from vebi.statistics.orderings import (
    ORDERINGS,
    Agreement,
    Ordering,
    judge_difference,
    judge_published,
)
from vebi.statistics.paired import (
    check_same_images,
    mean_over_networks,
    paired_difference,
)
from vebi.statistics.pooled import Interaction, Pooled, contrast, pool
from vebi.statistics.proportions import (
    clustered_proportion_interval,
    stratified_interval,
    wilson_interval,
)
from vebi.statistics.sign_flips import cluster_sign_flip_test, sign_flip_test
from vebi.statistics.values import Prediction, predict
from vebi.statistics.verdicts import (
    ALPHA,
    Comparability,
    Judgement,
    Verdict,
    judge_absence,
    judge_interval,
    judge_ordering,
    judge_orderings,
    judge_value,
)

__all__ = [
    "ALPHA",
    "MARGINS",
    "ORDERINGS",
    "Agreement",
    "Cell",
    "Comparability",
    "Estimate",
    "Interaction",
    "Judgement",
    "Margin",
    "Ordering",
    "Pooled",
    "Prediction",
    "Verdict",
    "bootstrap_interval",
    "check_same_images",
    "cluster_interval",
    "cluster_sign_flip_test",
    "clustered_proportion_interval",
    "contrast",
    "crossed_interval",
    "draw_key",
    "holm",
    "judge_absence",
    "judge_difference",
    "judge_interval",
    "judge_ordering",
    "judge_orderings",
    "judge_published",
    "judge_value",
    "mean_over_networks",
    "nested_interval",
    "over_images",
    "over_networks",
    "over_networks_and_draws",
    "over_networks_and_scenes",
    "over_scenes",
    "paired_difference",
    "pool",
    "predict",
    "scene_means",
    "scene_values",
    "sign_flip_test",
    "stratified_interval",
    "wilson_interval",
]
