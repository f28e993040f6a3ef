"""Means, variances and covariances of many values with one output, in one pass over the copies."""

from __future__ import annotations

import torch
from torch import Tensor


class Moments:
    """Running moments of values (any shape) and one output over copies that arrive in blocks.

    `mean` and `squares` (sum of squared deviations) have the shape of a copy's values, `products` is
    the sum of products of the deviations of values and output. All are float64. Blocks are centred
    on their own mean and then merged by the pairwise update of Chan, Golub & LeVeque (1983), which
    loses no digits where the mean is large against the spread.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = self.products = torch.zeros(())
        self.output_mean = self.output_squares = 0.0

    def add(self, values: Tensor, output: Tensor) -> None:
        """Take in a block: `values` (B, ...), `output` (B)."""
        n = len(values)
        if not n:
            return
        # The memory order of the values is kept: a network's maps are often stored channels last.
        order = sorted(range(1, values.ndim), key=values.stride, reverse=True)
        flat = values.permute(0, *order).reshape(n, -1).to(torch.float64, copy=True)
        # From the first copy on: then a constant has exactly no spread, however its mean is rounded.
        first, out_first = flat[0].clone(), output[0].double()
        flat -= first
        out = output.double() - out_first
        step, out_step = flat.mean(0), out.mean()
        flat -= step
        out -= out_step
        shape = [values.shape[axis] for axis in order]
        back = [order.index(axis) for axis in range(1, values.ndim)]
        block = Moments()
        block.count = n
        block.mean = (first + step).reshape(shape).permute(back)
        block.products = (out @ flat).reshape(shape).permute(back)
        block.squares = flat.square_().sum(0).reshape(shape).permute(back)
        block.output_mean, block.output_squares = float(out_first + out_step), float(out @ out)
        self.merge(block)

    def merge(self, other: Moments) -> None:
        """Take in what another one has seen."""
        if not other.count:
            return
        if not self.count:
            self.mean = other.mean.clone()
            self.squares, self.products = other.squares.clone(), other.products.clone()
            self.output_mean, self.output_squares = other.output_mean, other.output_squares
            self.count = other.count
            return
        total = self.count + other.count
        step = other.mean - self.mean
        output_step = other.output_mean - self.output_mean
        weight = self.count * other.count / total
        self.mean.add_(step, alpha=other.count / total)
        self.products.add_(other.products).add_(step, alpha=output_step * weight)
        self.squares.add_(other.squares).add_(step.square_(), alpha=weight)
        self.output_squares += other.output_squares + output_step**2 * weight
        self.output_mean += output_step * (other.count / total)
        self.count = total

    @property
    def variance(self) -> Tensor:
        """Population variance of each value: 0 for a constant."""
        return self.squares / max(self.count, 1)

    @property
    def defined(self) -> Tensor:
        """Where a correlation exists: neither the value nor the output is constant."""
        return (self.squares > 0) & (self.output_squares > 0)

    @property
    def correlation(self) -> Tensor:
        """Pearson correlation of each value with the output, in [-1, 1]; 0 where it is not defined."""
        # Divided twice: the product of two tiny roots could be zero.
        ratio = self.products / torch.where(self.defined, self.squares, 1.0).sqrt()
        ratio = ratio / (self.output_squares**0.5 or 1.0)
        return torch.where(self.defined, ratio, 0.0).clamp(-1, 1)
