"""Input resampling (Lengerich et al. 2017) by correlation.

The channels that follow the output most closely when the image is perturbed.
"""

from vebi.heatmaps.perturbed import features_by_metric
from vebi.heatmaps.subject import Chosen, Subject


def choose(subject: Subject, k: int) -> Chosen:
    """Up to k features of each image by correlation, and their values."""
    return features_by_metric(subject, k, "correlation")
