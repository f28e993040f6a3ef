"""Statistics of channels: responses (N, C, ...) to one number per channel, (N, C)."""

import torch
from torch import Tensor


def l2(responses: Tensor) -> Tensor:
    """L2 norm of each channel: (N, C, ...) to (N, C); the absolute value of a single number."""
    return torch.linalg.vector_norm(responses.reshape(*responses.shape[:2], -1), dim=2)


def squared_l2(responses: Tensor) -> Tensor:
    """Sum of squares of each channel: (N, C, ...) to (N, C)."""
    return l2(responses).square()


def spectral(responses: Tensor) -> Tensor:
    """Largest singular value of each map (N, C, H, W), which MATLAB's `norm` of a matrix gives.

    Of a channel that is a vector (N, C, T) it is the L2 norm; further axes (N, C, ..., d) are columns.
    """
    if responses.ndim == 3 or responses[0, 0].numel() == 1:
        return l2(responses)
    return torch.linalg.matrix_norm(responses.flatten(2, -2), ord=2)
