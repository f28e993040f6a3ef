"""Class scores as probabilities."""

import torch
from torch import Tensor

from vebi.io.errors import VebiError


def probabilities(scores: Tensor) -> Tensor:
    """Probabilities of the classes, float64 (N, classes), of a network's scores of the same shape.

    The softmax, or the scores themselves where they are probabilities already: no row of logits has
    only numbers from 0 that add up to 1, all rows of a network that ends in softmax have.
    """
    values = scores.double()
    # Eight roundings of the format that the network computes in.
    tolerance = 8 * torch.finfo(scores.dtype).eps
    totals = values.sum(1)
    if bool((values >= 0).all()) and bool(((totals - 1).abs() <= tolerance).all()):
        return values
    return torch.softmax(values, 1)


def check_scores(scores: Tensor) -> None:
    """Raise VebiError for class scores (N, classes) that are NaN."""
    if bool(scores.isnan().any()):
        raise VebiError(
            "The network's class scores are NaN for an image. Check its weights, and that it takes "
            "pixels from 0 to 255."
        )
