"""Streamed moments against numpy on the full matrix."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vebi.perturbation.metrics import channel_metrics, neuron_metrics
from vebi.perturbation.moments import Moments


def streamed(values: np.ndarray, output: np.ndarray, cuts: list[int]) -> Moments:
    moments = Moments()
    for part, out in zip(np.split(values, cuts), np.split(output, cuts), strict=True):
        moments.add(torch.from_numpy(part), torch.from_numpy(out))
    return moments


FLOATS = st.floats(-1000, 1000, width=32)


@st.composite
def samples(draw):
    copies = draw(st.integers(1, 12))
    shape = (copies, draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    # Few different values, so that constants and ties are common.
    some = draw(st.lists(FLOATS, min_size=1, max_size=3))
    elements = st.one_of(st.sampled_from(some), FLOATS)
    values = draw(hnp.arrays(np.float32, shape, elements=elements))
    output = draw(hnp.arrays(np.float64, copies, elements=st.sampled_from([0.25, 0.5, 0.1, 0.9])))
    cuts = sorted(draw(st.lists(st.integers(0, copies), max_size=4)))
    return values, output, cuts


@given(samples())
def test_any_blocks_give_numpys_numbers(sample) -> None:
    values, output, cuts = sample
    moments = streamed(values, output, cuts)
    full = values.astype(np.float64)
    assert moments.count == len(values)
    np.testing.assert_allclose(moments.mean, full.mean(0), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(moments.variance, full.var(0), rtol=1e-9, atol=1e-12)
    constant = (values == values[0]).all(0) | (output == output[0]).all()
    assert np.array_equal(moments.defined.numpy(), ~constant)
    metrics = neuron_metrics(moments)
    assert not any(np.isnan(v).any() for v in vars(metrics).values())
    assert np.array_equal(metrics.correlation[constant], np.zeros(constant.sum()))
    for position in np.argwhere(~constant):
        column = full[(slice(None), *position)]
        expected = np.corrcoef(column, output)[0, 1]
        assert metrics.correlation[tuple(position)] == pytest.approx(expected, abs=1e-7)


@given(samples())
def test_channels_by_their_definition(sample) -> None:
    values, output, cuts = sample
    metrics = channel_metrics(streamed(values, output, cuts))
    for channel in range(values.shape[1]):
        columns = values[:, channel].reshape(len(values), -1).astype(np.float64).T
        moving = [c for c in columns if np.ptp(c) > 0 and np.ptp(output) > 0]
        sizes = [abs(np.corrcoef(c, output)[0, 1]) for c in moving]
        assert metrics.correlation[channel] == pytest.approx(
            np.mean(sizes) if sizes else 0, abs=1e-7
        )
        assert metrics.defined[channel] == bool(sizes)
        variance = np.mean([c.var() for c in columns])
        if abs(columns.mean() - 0.1) < 1e-9:
            continue
        if columns.mean() < 0.1:
            assert metrics.precision[channel] == 0
        elif np.ptp(columns, axis=1).any():
            assert metrics.precision[channel] == pytest.approx(1 / variance, rel=1e-9)
        else:
            assert metrics.precision[channel] == np.inf
        assert not np.isnan(metrics.precision[channel])


def test_a_large_mean_costs_no_digits() -> None:
    """Sums of squares would leave nothing of a variance of 1e-4 next to a mean of 3e4."""
    rng = np.random.default_rng(0)
    output = rng.random(1000)
    values = (3e4 + 0.01 * (output + rng.random(1000))).astype(np.float64)[:, None]
    moments = streamed(values, output, list(range(25, 1000, 25)))
    assert float(moments.variance) == pytest.approx(values.var(), rel=1e-9)
    expected = np.corrcoef(values[:, 0], output)[0, 1]
    assert float(moments.correlation) == pytest.approx(expected, rel=1e-9)


def test_closed_forms() -> None:
    output = np.array([0.0, 1.0, 2.0, 3.0]) / 4
    values = np.stack([output, -2 * output, 0 * output + 7, output**2], 1)[:, :, None]
    metrics = neuron_metrics(streamed(values, output, [1]))
    # x and x^2 on 0, 1, 2, 3: products 15, squares 5 and 49.
    expected = [1, -1, 0, 15 / np.sqrt(5 * 49)]
    np.testing.assert_allclose(metrics.correlation[:, 0], expected, atol=1e-12)
    assert metrics.precision[0, 0] == pytest.approx(1 / (1.25 / 16))
    assert metrics.precision[1, 0] == 0
    assert metrics.precision[2, 0] == np.inf


def test_memory_order_does_not_matter() -> None:
    values = torch.rand(9, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    output = torch.rand(9, generator=torch.Generator().manual_seed(1))
    plain, last = Moments(), Moments()
    plain.add(values, output)
    last.add(values.contiguous(memory_format=torch.channels_last), output)
    for name in ("mean", "squares", "products"):
        torch.testing.assert_close(getattr(plain, name), getattr(last, name), rtol=1e-12, atol=0)


def test_input_is_left_alone_and_merging_copies() -> None:
    values, output = torch.rand(5, 3, dtype=torch.float64), torch.rand(5, dtype=torch.float64)
    before = values.clone(), output.clone()
    first, second = Moments(), Moments()
    first.add(values, output)
    assert torch.equal(values, before[0])
    assert torch.equal(output, before[1])
    second.merge(first)
    second.merge(first)
    assert first.count == 5
    assert second.count == 10
    torch.testing.assert_close(second.variance, first.variance)
    torch.testing.assert_close(second.correlation, first.correlation)


def test_nothing_seen() -> None:
    moments = Moments()
    moments.add(torch.zeros(0, 3), torch.zeros(0))
    assert moments.count == 0
    assert float(moments.variance) == 0
    assert not bool(moments.defined)


def test_relative_precision_does_not_depend_on_a_channel_s_scale() -> None:
    values = np.random.default_rng(0).uniform(1, 2, (8, 3, 2, 2)).astype(np.float32)
    values[:, 1] = 4 * values[:, 0]
    values[:, 2] *= -1
    output = np.arange(8.0)
    metrics = channel_metrics(streamed(values, output, [3]))
    mean, variance = values.mean((0, 2, 3)), values.var(0).mean((1, 2))
    expected = mean[0] ** 2 / variance[0]
    assert metrics.relative_precision[0] == pytest.approx(expected, rel=1e-5)
    assert metrics.relative_precision[1] == metrics.relative_precision[0]
    assert metrics.precision[1] == metrics.precision[0] / 16
    assert metrics.relative_precision[2] == 0, "a channel that is negative on average"
