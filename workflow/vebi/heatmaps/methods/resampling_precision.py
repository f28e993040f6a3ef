"""Input resampling (Lengerich et al. 2017) by precision.

The channels that respond and vary least when the image is perturbed.
"""

from vebi.heatmaps.perturbed import features_by_metric
from vebi.heatmaps.subject import Chosen, Subject


def choose(subject: Subject, k: int) -> Chosen:
    """Up to k features of each image by precision, and their values."""
    return features_by_metric(subject, k, "precision")
