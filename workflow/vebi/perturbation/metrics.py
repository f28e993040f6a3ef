"""Correlation with the output and precision, of single neurons and of channels.

A neuron is one position of one channel; what the authors call a neuron is a channel. Definitions as
in their code, with the cases added that it leaves to chance:

- correlation of a neuron: Pearson's r of its activation and the output over the copies. Where either is
  constant there is none; it counts as 0 and is `defined` nowhere.
- correlation of a channel: mean of |r| over the positions where it is defined; 0 if it is nowhere.
- precision of a neuron: 1 / variance over the copies (population variance); infinite for a constant.
- precision of a channel: 1 / mean over positions of that variance.
- Only what responds has a precision: where the mean activation is below 0.1 it is 0.
- relative precision: squared mean activation over that variance, the inverse square of the coefficient
  of variation; 0 where the mean activation is not above 0. Ours: it does not change with a channel's
  scale, where theirs takes channels just above its 0.1 for calm because they are weak.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vebi.io.arrays import AnyArray
from vebi.perturbation.moments import Moments

MINIMUM_ACTIVATION = 0.1


@dataclass(frozen=True)
class Metrics:
    """Metrics of neurons or channels, float64 arrays of one shape, without NaN.

    `correlation`: of neurons with its sign, of channels the mean size. `defined`: bool, whether a
    correlation exists (for a channel: at any position). `activation`: mean over copies (and positions).
    """

    correlation: NDArray[np.float64]
    precision: NDArray[np.float64]
    relative_precision: NDArray[np.float64]
    activation: NDArray[np.float64]
    defined: NDArray[np.bool_]


def neuron_metrics(moments: Moments) -> Metrics:
    """Metrics of every single neuron, in the shape of the moments."""
    mean = _array(moments.mean)
    return Metrics(
        correlation=_array(moments.correlation),
        precision=_precision(_array(moments.variance), mean),
        relative_precision=_relative_precision(_array(moments.variance), mean),
        activation=mean,
        defined=_array(moments.defined),
    )


def channel_metrics(moments: Moments) -> Metrics:
    """Metrics of every channel: arrays (C) from moments of shape (C, ...)."""
    channels = moments.mean.shape[0]
    size = moments.correlation.abs().reshape(channels, -1)
    defined = moments.defined.reshape(channels, -1)
    count = defined.sum(1)
    mean = _array(moments.mean.reshape(channels, -1).mean(1))
    variance = _array(moments.variance.reshape(channels, -1).mean(1))
    return Metrics(
        # Undefined correlations are 0: they add nothing to the sum.
        correlation=_array(size.sum(1) / count.clamp(min=1)),
        precision=_precision(variance, mean),
        relative_precision=_relative_precision(variance, mean),
        activation=mean,
        defined=_array(count > 0),
    )


def _precision(
    variance: NDArray[np.float64], activation: NDArray[np.float64]
) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", over="ignore"):
        return np.where(activation >= MINIMUM_ACTIVATION, 1 / variance, 0.0)


def _relative_precision(
    variance: NDArray[np.float64], activation: NDArray[np.float64]
) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return np.where(activation > 0, activation**2 / variance, 0.0)


def _array(values: Tensor) -> AnyArray:
    return values.cpu().numpy()
