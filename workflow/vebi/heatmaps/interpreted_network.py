"""A network together with what the mu-Lasso selected in it: what explanations of a run start from."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vebi.data.dataset import Dataset
from vebi.descriptors.descriptor_file import DescriptorFile
from vebi.perturbation.resample import Sampling


@dataclass(frozen=True, eq=False)
class InterpretedNetwork:
    """A network, its images, and the features that were selected in it.

    Attributes:
        model: in evaluation mode.
        dataset: the images that it was trained and is tested on.
        descriptors: of all these images.
        weights: (classes, m), the mu-Lasso's at one mu, for the columns of `descriptors`.
        device: where to compute.
        sampling: how images are perturbed for methods that choose features by that.
    """

    model: nn.Module
    dataset: Dataset
    descriptors: DescriptorFile
    weights: NDArray[np.float64]
    device: torch.device | str = "cpu"
    sampling: Sampling = field(default_factory=Sampling)
