"""One image, and a batch, explained from pixels to maps: vebi alongside captum and zennit.

    python bench/explain.py [--quick] [--out results/bench/explain.csv]

What a user waits for: uint8 images in, predicted classes and one map per image out, on a network that
has been explained before. Peers get the same: a forward pass for the prediction, then their own call.
Features (`vebi`, `vebi_conv`, `deconv_gb`: three per image) are those that vebi chose; the peer is
captum's NeuronGuidedBackprop, called for each of the three on all images that have one in that layer.
Tools take turns image by image inside one process with one thread, so that a busy machine hits all
alike; the table has medians of CPU seconds and of wall time. `times_peer` is the peer's CPU seconds
over the tool's.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

import vebi
from vebi.catalogue.methods import METHODS
from vebi.claims.table import EXPLANATION_TIMES_TABLE
from vebi.compute.memory import keep_freed_memory
from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.io.files import write_text
from vebi.models.nets import NetSpec, build, initialise
from vebi.models.torchvision_nets import MEAN, SCALE
from vebi.network import to_network_input

TOP = 3
Work = Callable[[np.ndarray], Any]


def networks() -> dict[str, Callable[[], tuple[nn.Module, int]]]:
    """Each with its random weights and its image size."""

    def flower() -> tuple[nn.Module, int]:
        net = build(NetSpec("an8flower_strided", (3, 112, 112), 12, 64.0))
        initialise(net, 0)
        return net, 112

    def squeezenet() -> tuple[nn.Module, int]:
        spec = NetSpec("torchvision:squeezenet1_1", (3, 224, 224), 12, SCALE, MEAN)
        return build(spec, 1), 224

    return {"an8flower_strided": flower, "squeezenet1_1": squeezenet}


def images_of(n: int, size: int, seed: int) -> np.ndarray:
    """Coarse noise, whose edges make features differ: uint8 (n, size, size, 3)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = 255 * torch.rand(n, 3, 7, 7, generator=generator)
    pixels = functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 255)
    return pixels.permute(0, 2, 3, 1).to(torch.uint8).numpy()


# --- peers: uint8 images to a map per image ---


def out_of_place(net: nn.Module) -> nn.Module:
    """A copy whose ReLUs write into no input, which hooks of the peers can't handle."""
    net = copy.deepcopy(net)
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return net


def as_map(signal: Tensor) -> np.ndarray:
    size = signal.clamp(min=0).norm(dim=1)
    return (size / size.amax((1, 2), keepdim=True)).detach().numpy()


def predicted(net: nn.Module, images: np.ndarray) -> tuple[Tensor, Tensor]:
    batch = to_network_input(images)
    with torch.no_grad():
        return batch, net(batch).argmax(1)


def captum_of_class(net: nn.Module, method: str) -> Work:
    from captum.attr import GuidedBackprop, InputXGradient, LayerAttribution, LayerGradCam

    net = out_of_place(net)
    if method == "grad_cam":
        last = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m.kernel_size > (1, 1)][-1]
        cam = LayerGradCam(net, last)

        def draw(images: np.ndarray) -> Any:
            batch, classes = predicted(net, images)
            size = tuple(batch.shape[2:])
            return as_map(LayerAttribution.interpolate(cam.attribute(batch, classes), size))

        return draw
    attribution = {"guided_backprop": GuidedBackprop, "gradient_x_input": InputXGradient}[method](
        net
    )

    def go_back(images: np.ndarray) -> Any:
        batch, classes = predicted(net, images)
        return as_map(attribution.attribute(batch.requires_grad_(), classes))

    return go_back


def captum_of_features(net: nn.Module, explainer: vebi.Explainer, images: np.ndarray) -> Work:
    from captum.attr import NeuronGuidedBackprop

    net = out_of_place(net)
    calls: dict[tuple[int, str], dict[int, int]] = defaultdict(dict)
    for n, explanation in enumerate(explainer.explain(images, "deconv_gb", TOP)):
        for slot, feature in enumerate(explanation.features):
            calls[slot, feature.layer][n] = feature.channel

    def draw(images: np.ndarray) -> Any:
        batch, _ = predicted(net, images)
        maps = torch.zeros(TOP, len(images), *images.shape[1:3])
        for (slot, layer), channels in calls.items():
            rows = torch.tensor(list(channels))
            at = torch.arange(len(rows)), torch.tensor(list(channels.values()))
            attribution = NeuronGuidedBackprop(net, net.get_submodule(layer))
            signal = attribution.attribute(
                batch[rows].requires_grad_(),
                # The gradient of half the squared map is the map.
                lambda response, at=at: 0.5 * response[at].square().flatten(1).sum(1),
            )
            maps[slot, rows] = torch.from_numpy(as_map(signal))
        return maps.amax(0)

    return draw


def zennit_lrp(net: nn.Module) -> Work:
    from zennit.attribution import Gradient
    from zennit.composites import EpsilonPlusFlat

    net = out_of_place(net)

    def draw(images: np.ndarray) -> Any:
        batch, classes = predicted(net, images)
        with Gradient(model=net, composite=EpsilonPlusFlat()) as attributor:
            scores = functional.one_hot(classes, 12).float()
            _, relevance = attributor(batch.requires_grad_(), scores)
        return as_map(relevance)

    return draw


def peer_of(method: str, net: nn.Module, explainer: vebi.Explainer, images: np.ndarray) -> Work:
    if method == "lrp":
        return zennit_lrp(net)
    if METHODS[method].explains == "class":
        return captum_of_class(net, method)
    return captum_of_features(net, explainer, images)


PEERS = {
    **dict.fromkeys(("grad_cam", "guided_backprop", "gradient_x_input"), "captum"),
    "lrp": "zennit",
    **dict.fromkeys(("deconv_gb", "vebi_conv", "vebi"), "captum, NeuronGuidedBackprop"),
}


# --- measurement ---


def measure(network: str, method: str, batch: int, rounds: int) -> list[dict[str, Any]]:
    """Rows of our tool and of the peer, in turns."""
    torch.set_num_threads(1)
    keep_freed_memory()
    warnings.simplefilter("ignore")
    declare_missing_ops()
    net, size = networks()[network]()
    net.requires_grad_(False)
    explainer = vebi.fit(net, images_of(48, size, 0), np.arange(48) % 12, mu=10)
    images = images_of(batch, size, 1)
    tools: dict[str, Work] = {
        "vebi": lambda some: explainer.explain(some, method, TOP),
        PEERS[method]: peer_of(method, net, explainer, images),
    }
    wall: dict[str, list[float]] = {tool: [] for tool in tools}
    cpu: dict[str, list[float]] = {tool: [] for tool in tools}
    for number in range(rounds + 1):
        for tool, work in tools.items():
            start = time.perf_counter(), time.process_time()
            work(images)
            if number:
                wall[tool].append(time.perf_counter() - start[0])
                cpu[tool].append(time.process_time() - start[1])
    costs = {tool: statistics.median(cpu[tool]) for tool in tools}
    return [
        {
            "network": network,
            "method": method,
            "batch": batch,
            "tool": tool,
            "milliseconds": 1000 * statistics.median(wall[tool]),
            "cpu_milliseconds": 1000 * costs[tool],
            "times_peer": costs[PEERS[method]] / costs[tool],
            "note": f"{TOP} features" if METHODS[method].explains == "features" else "",
        }
        for tool in tools
    ]


def run(out_csv: str | Path, quick: bool) -> pd.DataFrame:
    """Write the comparison to `out_csv` and return it."""
    rows: list[dict[str, Any]] = []
    for network in list(networks())[: 1 if quick else 2]:
        for batch, rounds in ((1, 3 if quick else 31), (4 if quick else 32, 1 if quick else 5)):
            for method in PEERS:
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    rows += pool.apply(measure, (network, method, batch, rounds))
                print(rows[-2], rows[-1]["cpu_milliseconds"], flush=True)
    table = pd.DataFrame(rows)[list(EXPLANATION_TIMES_TABLE.columns)]
    write_text(out_csv, table.to_csv(index=False, float_format="%.4g", lineterminator="\n"))
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one small network, few repeats")
    parser.add_argument("--out", type=Path, default=Path("results/bench/explain.csv"))
    arguments = parser.parse_args()
    print(run(arguments.out, arguments.quick).to_string(index=False))
