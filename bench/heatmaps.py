"""Heatmaps, descriptors and ablation against their peers: same work, same machine, interleaved.

    python bench/heatmaps.py [--quick] [--out results/bench/heatmaps.csv]

Every measurement runs in a process of its own with one thread, rounds of all tools one after the other,
so that a busy machine hits all alike; medians go to the table. All tools keep freed memory
(vebi.compute.memory). `times_reference` is the reference tool's CPU seconds over the tool's: captum for
heatmaps, a plain forward pass for descriptors, forward hooks for ablation. `times_floor`, heatmaps only:
the same for one forward pass and k plain backward passes from the layer. `difference` is the largest
deviation from captum's signal on two images over its largest value; for functional ReLUs from captum's
on the same network with ReLU modules.

Peers that are not dependencies of vebi: pip install grad-cam. Without it its rows are missing.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import multiprocessing
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from vebi.catalogue.descriptors import DESCRIPTORS
from vebi.compute.memory import keep_freed_memory
from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.descriptors import describe_batch
from vebi.heatmaps.methods import vebi, vebi_conv
from vebi.heatmaps.signals import PLAIN, feature_signals
from vebi.io.files import write_text
from vebi.models.nets import NetSpec, build, initialise
from vebi.network import Layer, list_layers
from vebi.studies.ablation.ablate import ablate_batch, as_ablation

COLUMNS = (
    "work", "network", "layer", "tool", "batch", "features_per_image", "images_per_second", "seconds",
    "cpu_seconds", "peak_mb", "times_reference", "times_floor", "difference", "note",
)  # fmt: skip

Signals = Callable[[nn.Module, Tensor, list[Layer], np.ndarray], Tensor]


# --- networks ---


def an8flower() -> tuple[nn.Module, Tensor]:
    """The pipeline's flower network at 112 x 112."""
    net = build(NetSpec("an8flower_strided", (3, 112, 112), 12, 64.0))
    initialise(net, 0)
    return net.eval(), torch.rand(64, 3, 112, 112) * 255


def vgg_f() -> tuple[nn.Module, Tensor]:
    """VGG-F (Chatfield et al. 2014) with random weights at 224 x 224."""
    norm = partial(nn.LocalResponseNorm, size=5, alpha=5e-4, beta=0.75, k=2.0)
    widths = [(256, 256)] * 3
    net = nn.Sequential(
        *(nn.Conv2d(3, 64, 11, 4), nn.ReLU(), norm()),
        *(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 256, 5, padding=2), nn.ReLU(), norm()),
        nn.MaxPool2d(3, 2),
        *(part for w in widths for part in (nn.Conv2d(*w, 3, padding=1), nn.ReLU())),
        *(nn.MaxPool2d(3, 2), nn.Conv2d(256, 4096, 6), nn.ReLU(), nn.Conv2d(4096, 4096, 1)),
        *(nn.ReLU(), nn.Conv2d(4096, 1000, 1), nn.Flatten()),
    )
    initialise(net, 0)
    return net.eval(), torch.rand(16, 3, 224, 224) - 0.5


class Functional(nn.Module):
    """A small network whose ReLUs are functions; `modules` is its twin with ReLU modules."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 16, 5, 2), nn.Conv2d(16, 16, 3)
        self.c, self.head = nn.Conv2d(16, 16, 3), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.b(functional.relu(self.a(x))))
        return self.head(functional.relu(self.c(x)).mean((2, 3)))

    def modules_twin(self) -> nn.Sequential:
        pool = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(
            *(self.a, nn.ReLU(), self.b, nn.ReLU(), self.c, nn.ReLU(), *pool, self.head)
        )


NETWORKS = {"an8flower_strided": an8flower, "vgg_f": vgg_f}


def layer_of(layers: list[Layer], which: str) -> Layer:
    """The first ReLU, or the last convolution with more than one position."""
    if which == "first ReLU":
        return next(layer for layer in layers if layer.type == "relu")
    return [layer for layer in layers if layer.type == "conv"][-1]


def draw_features(layer: Layer, n: int, k: int) -> np.ndarray:
    """k different channels of a layer for each of n images: int64 (n, k, 2)."""
    rng = np.random.default_rng(0)
    channels = [rng.choice(layer.n_channels, k, replace=False) for _ in range(n)]
    return np.stack([np.full((n, k), layer.index), np.array(channels)], 2)


# --- tools: signals (N, k, C, H, W) of features of one layer ---


def slots(features: np.ndarray) -> list[tuple[Tensor, Tensor]]:
    images = torch.arange(len(features))
    return [(images, torch.from_numpy(channels)) for channels in features[:, :, 1].T]


def backward_from(response: Tensor, leaf: Tensor, features: np.ndarray) -> Tensor:
    signals = []
    for images, channels in slots(features):
        seed = torch.zeros_like(response)
        seed[images, channels] = response.detach()[images, channels]
        signals.append(torch.autograd.grad(response, leaf, seed, retain_graph=True)[0])
    return torch.stack(signals, 1)


def truncated(net: nn.Module, name: str) -> nn.Sequential:
    """The network up to the named layer, for peers that would run all of it."""
    parts = []
    for part_name, part in net.named_children():
        parts.append(part)
        if part_name == name:
            break
    return nn.Sequential(*parts)


RULES = {"deconv_gb": PLAIN, "vebi_conv": vebi_conv.STRIDE1, "vebi": vebi.STRIDE1}


def ours(rule: str) -> Signals:
    return lambda net, images, layers, features: feature_signals(
        net, images, layers, features, RULES[rule]
    )


def captum(net: nn.Module, images: Tensor, layers: list[Layer], features: np.ndarray) -> Tensor:
    from captum.attr import NeuronGuidedBackprop

    attribution = NeuronGuidedBackprop(net, net.get_submodule(name_of(layers, features)))
    images = images.clone().requires_grad_()
    signals = []
    for rows, channels in slots(features):
        # The gradient of half the squared map is the map.
        signals.append(
            attribution.attribute(
                images,
                lambda response, at=(rows, channels): 0.5 * response[at].square().sum((1, 2)),
            )
        )
    return torch.stack(signals, 1)


def zennit(net: nn.Module, images: Tensor, layers: list[Layer], features: np.ndarray) -> Tensor:
    declare_missing_ops()
    from zennit.composites import GuidedBackprop

    leaf = images.clone().requires_grad_()
    with GuidedBackprop().context(truncated(net, name_of(layers, features))) as cut:
        return backward_from(cut(leaf), leaf, features)


def grad_cam(net: nn.Module, images: Tensor, layers: list[Layer], features: np.ndarray) -> Tensor:
    declare_missing_ops()
    from pytorch_grad_cam.guided_backprop import GuidedBackpropReLUasModule
    from pytorch_grad_cam.utils.find_layers import replace_all_layer_type_recursive

    cut = copy.deepcopy(truncated(net, name_of(layers, features)))
    replace_all_layer_type_recursive(cut, nn.ReLU, GuidedBackpropReLUasModule())
    signals = []
    for slot in range(features.shape[1]):
        # One forward pass per map, as the tool's own call does.
        leaf = images.clone().requires_grad_()
        signals.append(backward_from(cut(leaf), leaf, features[:, slot : slot + 1]))
    return torch.cat(signals, 1)


def floor(net: nn.Module, images: Tensor, layers: list[Layer], features: np.ndarray) -> Tensor:
    leaf = images.clone().requires_grad_()
    return backward_from(truncated(net, name_of(layers, features))(leaf), leaf, features)


def name_of(layers: list[Layer], features: np.ndarray) -> str:
    return layers[features[0, 0, 0]].name


TOOLS: dict[str, Signals] = {
    "captum": captum,
    "zennit": zennit,
    "pytorch-grad-cam": grad_cam,
    "floor": floor,
    **{f"vebi: {rule}": ours(rule) for rule in RULES},
}
NOTES = {
    "captum": "NeuronGuidedBackprop, one call per feature",
    "zennit": "GuidedBackprop composite; one forward pass, network cut by hand",
    "pytorch-grad-cam": "its guided ReLU; cut and seeded by hand, as its own call explains one image",
    "floor": "plain gradients: one forward and k backward passes, network cut by hand",
}


# --- one measurement in a process of its own ---


def peak_megabytes() -> float:
    """Largest resident memory of this process; ru_maxrss would include the parent's."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def timed(work: Callable[[], Any], repeats: int) -> dict[str, float]:
    work()
    wall, cpu = [], []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start[0])
        cpu.append(time.process_time() - start[1])
    return {
        "seconds": statistics.median(wall),
        "cpu_seconds": statistics.median(cpu),
        "peak_mb": peak_megabytes(),
    }


def prepared(network: str, batch: int) -> tuple[nn.Module, Tensor, list[Layer]]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory()
    warnings.simplefilter("ignore")
    net, images = NETWORKS[network]()
    net.requires_grad_(False)
    return net, images[:batch], list_layers(net, images)


class SignalCase(NamedTuple):
    """`k` features of the layer `which`, of each of `batch` images."""

    network: str
    batch: int
    which: str
    k: int


def measure_signals(case: SignalCase, tool: str, repeats: int, example: str) -> dict[str, float]:
    net, images, layers = prepared(case.network, case.batch)
    features = draw_features(layer_of(layers, case.which), case.batch, case.k)
    cost = timed(lambda: TOOLS[tool](net, images, layers, features), repeats)
    np.save(example, TOOLS[tool](net, images[:2], layers, features[:2]).detach().numpy())
    return cost


def measure_descriptors(network: str, batch: int, tool: str, repeats: int) -> dict[str, float]:
    net, images, layers = prepared(network, batch)

    def hooks() -> None:
        kept: dict[str, Tensor] = {}
        handles = [
            net.get_submodule(layer.name).register_forward_hook(
                lambda module, inputs, output, name=layer.name: kept.update({name: output})
            )
            for layer in layers
        ]
        net(images)
        for handle in handles:
            handle.remove()
        for output in kept.values():
            output.flatten(2).norm(dim=2)

    variant = DESCRIPTORS["vebi_text"]
    tools: dict[str, Callable[[], Any]] = {
        "plain forward pass": lambda: net(images),
        "forward hooks": hooks,
        "vebi": lambda: describe_batch(net, images, layers, variant),
    }
    with torch.no_grad():
        return timed(tools[tool], repeats)


def ablation_conditions(layers: list[Layer], scope: str) -> list[list[tuple[int, int]]]:
    """A sweep as the pipeline's: nested selections and five random sets of the same size each."""
    rng = np.random.default_rng(0)
    used = [layer for layer in layers if scope == "all layers" or layer.index >= 0.6 * len(layers)]
    pool = [(layer.index, c) for layer in used for c in range(layer.n_channels)]
    order = rng.permutation(len(pool))
    conditions: list[list[tuple[int, int]]] = [[]]
    for size in (5, 20, 60, 150):
        conditions.append([pool[i] for i in order[:size]])
        for _ in range(5):
            chosen = rng.choice(len(pool), size, replace=False)
            conditions.append([pool[i] for i in chosen])
    return conditions


def measure_ablation(
    network: str, batch: int, scope: str, tool: str, repeats: int
) -> dict[str, float]:
    net, images, layers = prepared(network, batch)
    conditions = [as_ablation(c, layers) for c in ablation_conditions(layers, scope)]

    def hooks() -> None:
        for condition in conditions:
            handles = []
            for index, channels in condition:

                def cut(
                    module: nn.Module, inputs: Any, output: Tensor, c: Any = channels
                ) -> Tensor:
                    output = output.clone()
                    output[:, list(c)] = 0
                    return output

                module = net.get_submodule(layers[index].name)
                handles.append(module.register_forward_hook(cut))
            net(images)
            for handle in handles:
                handle.remove()

    tools: dict[str, Callable[[], Any]] = {
        "forward hooks": hooks,
        "vebi": lambda: ablate_batch(net, images, layers, conditions),
    }
    with torch.no_grad():
        return timed(tools[tool], repeats)


def in_a_process(task: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(task, arguments)


# --- tables ---


def functional_relus() -> list[dict[str, Any]]:
    """How far each tool is from guided backpropagation where ReLUs are functions."""
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    net, images = Functional().eval(), torch.randn(2, 3, 24, 24)
    twin = net.modules_twin()
    features = np.array([[[4, 1]], [[4, 5]]])
    truth = captum(twin, images, list_layers(twin, images), features)
    layers = list_layers(net, images)
    rows = []

    def add(tool: str, signals: Tensor, note: str) -> None:
        difference = float((signals - truth).abs().max() / truth.abs().max())
        rows.append(
            {"work": "functional ReLUs", "tool": tool, "difference": difference, "note": note}
        )

    add("captum", captum(net, images, layers, features), "silently plain gradients")
    leaf = images.clone().requires_grad_()
    response = net.c(functional.relu(net.b(functional.relu(net.a(leaf)))))
    add("zennit", backward_from(response, leaf, features), "its hooks see no ReLU: plain gradients")
    add(
        "pytorch-grad-cam", backward_from(response, leaf, features), "it replaces modules: the same"
    )
    add("vebi: deconv_gb", ours("deconv_gb")(net, images, layers, features), "")
    return rows


def run(out_csv: str | Path, quick: bool) -> pd.DataFrame:
    """Write the comparison to `out_csv` and return it."""
    rounds, repeats = (1, 1) if quick else (3, 2)
    networks = {"an8flower_strided": 8 if quick else 64} | ({} if quick else {"vgg_f": 16})
    tools = [
        t for t in TOOLS if t != "pytorch-grad-cam" or importlib.util.find_spec("pytorch_grad_cam")
    ]
    tasks: list[tuple[dict[str, Any], Callable[..., dict[str, float]], tuple[Any, ...]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for network, batch in networks.items():
            shared: dict[str, Any] = {"network": network, "batch": batch}
            for which in ("first ReLU", "last convolution"):
                for k in (5,) if quick else (3, 5):
                    for tool in tools:
                        example = f"{folder}/{network} {which} {k} {tool}.npy"
                        row = shared | {
                            "work": "heatmaps", "layer": which, "features_per_image": k, "tool": tool,
                            "note": NOTES.get(tool, ""), "example": example,
                        }  # fmt: skip
                        case = SignalCase(network, batch, which, k)
                        tasks.append((row, measure_signals, (case, tool, repeats, example)))
            for tool in ("plain forward pass", "forward hooks", "vebi"):
                row = shared | {"work": "descriptors", "tool": tool}
                tasks.append((row, measure_descriptors, (network, batch, tool, repeats)))
            for scope in ("all layers", "deep layers"):
                for tool in ("forward hooks", "vebi"):
                    note = "25 conditions: none, and for four sizes one nested and five random sets"
                    row = shared | {"work": "ablation", "layer": scope, "tool": tool, "note": note}
                    tasks.append((row, measure_ablation, (network, batch, scope, tool, 1)))
        found: list[list[dict[str, float]]] = [[] for _ in tasks]
        for _ in range(rounds):
            for (row, task, arguments), results in zip(tasks, found, strict=True):
                results.append(in_a_process(task, *arguments))
                print(row["work"], row["network"], row.get("layer", ""), row["tool"], results[-1])
        rows = []
        for (row, _, _), results in zip(tasks, found, strict=True):
            keys = results[0]
            row |= {key: statistics.median(one[key] for one in results) for key in keys}
            if row["work"] == "heatmaps" and not row["tool"].endswith(
                ("vebi", "vebi_conv", "floor")
            ):
                truth = np.load(row["example"].replace(row["tool"], "captum"))
                mine = np.load(row["example"])
                row["difference"] = np.abs(mine - truth).max() / np.abs(truth).max()
            rows.append(row)
    table = pd.DataFrame(rows)
    count = np.where(table.work == "ablation", 25, 1)
    table["images_per_second"] = table.batch * count / table.seconds
    references = {
        "heatmaps": "captum",
        "descriptors": "plain forward pass",
        "ablation": "forward hooks",
    }
    table["times_reference"] = ratio_to(table, table.work.map(references))
    table["times_floor"] = ratio_to(table, table.work.map({"heatmaps": "floor"}))
    table = pd.concat([table, pd.DataFrame(functional_relus())]).reindex(columns=list(COLUMNS))
    write_text(out_csv, table.to_csv(index=False, float_format="%.4g", lineterminator="\n"))
    return table


def ratio_to(table: pd.DataFrame, reference: pd.Series) -> np.ndarray:
    """CPU seconds of each row's reference tool at the same work over the row's own."""
    key = ["work", "network", "layer", "features_per_image"]
    cost = (
        table.fillna({"layer": "", "features_per_image": 0}).set_index([*key, "tool"]).cpu_seconds
    )
    ratios = []
    for (*work, _), own, tool in zip(cost.index, cost, reference, strict=True):
        ratios.append(cost.get((*work, tool), np.nan) / own if isinstance(tool, str) else np.nan)
    return np.array(ratios)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="toy sizes, two minutes")
    parser.add_argument("--out", type=Path, default=Path("results/bench/heatmaps.csv"))
    arguments = parser.parse_args()
    print(run(arguments.out, arguments.quick).to_string())
