"""Channels that stand out when the input is perturbed (Lengerich et al. 2017): the method."""

from typing import TYPE_CHECKING

from vebi.io.late import late_names

if TYPE_CHECKING:
    from vebi.perturbation.metrics import Metrics
    from vebi.perturbation.moments import Moments
    from vebi.perturbation.perturbations import PERTURBATIONS, Perturbation, perturb
    from vebi.perturbation.resample import Resampled, Sampling, convolution_responses, mean_pixels

__all__ = [
    "PERTURBATIONS",
    "Metrics",
    "Moments",
    "Perturbation",
    "Resampled",
    "Sampling",
    "convolution_responses",
    "mean_pixels",
    "perturb",
]

__getattr__ = late_names(
    __name__,
    {
        "metrics": ("Metrics",),
        "moments": ("Moments",),
        "perturbations": ("PERTURBATIONS", "Perturbation", "perturb"),
        "resample": ("Resampled", "Sampling", "convolution_responses", "mean_pixels"),
    },
)
