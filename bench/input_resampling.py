"""Input resampling's statistics in one pass against keeping every activation.

    python bench/input_resampling.py [--quick] [--out results/bench/input_resampling.csv]

1,000 copies of a 112 x 112 image with multiplicative noise through the flower network: mean, variance and
correlation with the output of every neuron (channel x position) of all ten layers, 306,400 of them. Every
measurement runs in a process of its own with one thread, rounds of all tools one after the other;
medians. `peak_mb` is the whole process, of which 250 to 300 MB are Python with torch. Peers:

- `numpy, all kept`: every activation in memory (float32), then numpy's mean, variance and products of
  each layer, in blocks of columns so that float64 copies stay small;
- `numpy.corrcoef, all kept`: the same with one call of numpy.corrcoef and numpy.var per neuron.

`difference` is the largest deviation of a correlation from that of `numpy, all kept`, over neurons whose
spread is more than rounding.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from vebi.compute.memory import keep_freed_memory
from vebi.io.files import write_text
from vebi.models.nets import NetSpec, build, initialise
from vebi.network import Layer, list_layers, responses
from vebi.network.passes import fast_layout
from vebi.perturbation.perturbations import perturb
from vebi.perturbation.resample import Sampling, mean_pixels, resample

Found = dict[str, np.ndarray]


def prepared() -> tuple[torch.nn.Module, torch.Tensor, list[Layer]]:
    """The flower network with random weights, and an image."""
    torch.set_num_threads(1)
    keep_freed_memory()
    net = build(NetSpec("an8flower_strided", (3, 112, 112), 12, 64.0)).requires_grad_(False)
    initialise(net, 0)
    net.get_buffer("input.mean").fill_(128.0)
    image = torch.rand(3, 112, 112, generator=torch.Generator().manual_seed(0)) * 255
    return net, image, list_layers(net, image)


def streamed(copies: int) -> Found:
    """Ours."""
    net, image, layers = prepared()
    sampling = Sampling("multiplicative_noise", 0.01, copies)
    found = resample(
        net, image, layers, layers, mean=mean_pixels(net, image), sampling=sampling, key=(0,)
    )
    moments = list(found.moments.values())
    return {
        "correlation": np.concatenate([m.correlation.numpy().ravel() for m in moments]),
        "variance": np.concatenate([m.variance.numpy().ravel() for m in moments]),
    }


def kept(copies: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Every activation, layer by layer (copies, neurons), and the output (copies)."""
    net, image, layers = prepared()
    mean = mean_pixels(net, image)
    predicted = int(net(image[None]).argmax())
    matrices = [np.empty((copies, int(np.prod(layer.shape))), np.float32) for layer in layers]
    outputs = []
    start = 0
    for block in perturb(image.numpy(), mean, "multiplicative_noise", copies, 0.01, key=(0,)):
        logits, values = responses(net, fast_layout(torch.from_numpy(block)), layers)
        outputs.append(torch.softmax(logits.double(), 1)[:, predicted].numpy())
        for matrix, value in zip(matrices, values, strict=True):
            matrix[start : start + len(block)] = value.reshape(len(block), -1).numpy()
        start += len(block)
    return matrices, np.concatenate(outputs)


def all_kept(copies: int) -> Found:
    """numpy on whole columns."""
    matrices, output = kept(copies)
    centred_output = output - output.mean()
    correlations, variances = [], []
    for matrix in matrices:
        for start in range(0, matrix.shape[1], 4096):
            block = matrix[:, start : start + 4096].astype(np.float64)
            block -= block.mean(0)
            squares = (block**2).sum(0)
            scale = np.sqrt(squares * (centred_output**2).sum())
            products = centred_output @ block
            correlations.append(np.divide(products, scale, np.zeros_like(scale), where=scale > 0))
            variances.append(squares / copies)
    return {"correlation": np.concatenate(correlations), "variance": np.concatenate(variances)}


def corrcoef(copies: int) -> Found:
    """One numpy.corrcoef and one numpy.var per neuron."""
    matrices, output = kept(copies)
    correlations, variances = [], []
    with np.errstate(invalid="ignore", divide="ignore"):
        for matrix in matrices:
            for column in matrix.T:
                neuron = column.astype(np.float64)
                correlations.append(np.corrcoef(neuron, output)[0, 1])
                variances.append(np.var(neuron))
    return {"correlation": np.nan_to_num(correlations), "variance": np.array(variances)}


TOOLS = {"vebi": streamed, "numpy, all kept": all_kept, "numpy.corrcoef, all kept": corrcoef}


def measure(tool: str, copies: int, path: str) -> dict[str, float]:
    """One run; the numbers go to the file `path`."""
    start = time.perf_counter(), time.process_time()
    with torch.no_grad():
        found = TOOLS[tool](copies)
    cost = {
        "seconds": time.perf_counter() - start[0],
        "cpu_seconds": time.process_time() - start[1],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    arrays: dict[str, Any] = dict(found)
    np.savez(path, **arrays)
    return cost


def run(out_csv: str | Path, quick: bool) -> pd.DataFrame:
    """Write the comparison to `out_csv` and return it."""
    copies, rounds = (50, 1) if quick else (1000, 3)
    results: dict[str, list[dict[str, float]]] = {tool: [] for tool in TOOLS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for tool, costs in results.items():
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    costs.append(pool.apply(measure, (tool, copies, f"{folder}/{tool}.npz")))
        numbers = {tool: np.load(f"{folder}/{tool}.npz") for tool in TOOLS}
        truth = {name: numbers["numpy, all kept"][name] for name in ("correlation", "variance")}
        moving = truth["variance"] > 1e-8
        rows = []
        for tool, costs in results.items():
            row = {key: statistics.median(cost[key] for cost in costs) for key in costs[0]}
            deviation = np.abs(numbers[tool]["correlation"] - truth["correlation"])[moving].max()
            rows.append(
                {"tool": tool, "copies": copies, "neurons": len(moving), **row}
                | {"difference": deviation}
            )
    table = pd.DataFrame(rows)
    table["times_vebi"] = table["cpu_seconds"] / table["cpu_seconds"].iloc[0]
    write_text(out_csv, table.to_csv(index=False, float_format="%.4g", lineterminator="\n"))
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="50 copies, one round")
    parser.add_argument("--out", type=Path, default=Path("results/bench/input_resampling.csv"))
    options = parser.parse_args()
    print(run(options.out, options.quick).to_string(index=False))
