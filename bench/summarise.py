"""What the benchmarks found, in one table and one figure: results/bench/summary.csv, .md and .png.

    python bench/summarise.py [--folder results/bench]

A row compares our tool and a peer on the same work, measured in one run, interleaved: `ratio` above 1
means that ours needed less. `goal` was set before measuring; rows that miss it are kept. Rows of
benchmarks that have not been run are missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vebi.figures.style import BLUE, GREY, VERMILION, save
from vebi.io.files import write_text


@dataclass(frozen=True)
class Row:
    """One comparison. `ours` and `peer` are texts with their unit."""

    area: str
    work: str
    peer_tool: str
    ours: str
    peer: str
    ratio: float
    goal: float
    note: str = ""

    @property
    def met(self) -> bool:
        return self.ratio >= self.goal


def mu_lasso(table: pd.DataFrame) -> Iterator[Row]:
    """The mu path against the solvers of the seeds and of others."""
    problem = str(table.problem.iloc[0])
    ours = table[table.tool == "vebi"]
    whole = ours[ours.work == "end to end, every mu"].iloc[0]
    path = ours[(ours.work == "path, every mu, certified") & (ours.classes == whole.classes)].iloc[
        0
    ]
    one = ours[(ours.work == "path, every mu, certified") & (ours.classes == 1)].iloc[0]
    sweeps = table[table.work.str.startswith("sweep")]
    for name, goal in (("raw matrix (McGill)", 500.0), ("compressed problem", 1.0)):
        for row in sweeps[sweeps.tool == f"spgl1, {name}"].itertuples():
            yield Row(
                "mu-Lasso", f"{problem}: every mu to {whole.mu:g}, {whole.classes:.0f} classes",
                f"spgl1, {name}, {row.work}",
                f"{whole.cpu_seconds:.2f} CPU s, gap {whole.relative_gap:.0e}",
                f"{row.cpu_seconds:,.0f} CPU s, gap {row.relative_gap:.1g}",
                row.cpu_seconds / whole.cpu_seconds, goal, "peer extrapolated",
            )  # fmt: skip
    spams = table[table.tool.str.startswith("spams")]
    for row in spams[spams.mu == spams.mu.max()].itertuples():
        yield Row(
            "mu-Lasso", f"the path to mu = {row.mu:g}, {row.classes:.0f} classes", "spams, that mu alone",
            f"{path.cpu_seconds:.2f} CPU s, gap {path.relative_gap:.0e}",
            f"{row.cpu_seconds:.2f} CPU s, gap {row.relative_gap:.0e}",
            row.cpu_seconds / path.cpu_seconds, 1.0,
        )  # fmt: skip
    if len(spams):
        cost = float(spams.cpu_seconds.sum())
        yield Row(
            "mu-Lasso", f"every mu to {path.mu:g}, {path.classes:.0f} classes",
            f"spams, {len(spams)} mu one after the other",
            f"{path.cpu_seconds:.2f} CPU s, gap {path.relative_gap:.0e}",
            f"{cost:.2f} CPU s, gap {spams.relative_gap.max():.0e}", cost / path.cpu_seconds, 1.0,
        )  # fmt: skip
    for row in table[table.tool == "scikit-learn lars_path_gram"].itertuples():
        yield Row(
            "mu-Lasso", "the path of one class", "scikit-learn lars_path_gram",
            f"{one.cpu_seconds:.2f} CPU s", f"{row.cpu_seconds:.2f} CPU s to mu = {row.mu:g}",
            row.cpu_seconds / one.cpu_seconds, 1.0,
        )  # fmt: skip


def heatmaps(table: pd.DataFrame) -> Iterator[Row]:
    """Heatmaps, descriptors and ablation."""
    maps = table[(table.work == "heatmaps") & (table.features_per_image == 5)]
    goals = {"last convolution": 2.0, "first ReLU": 5.0}
    for (network, layer), group in maps.groupby(["network", "layer"], sort=True):
        tools: Any = group.set_index("tool")
        ours = tools.loc["vebi: deconv_gb"]
        where = f"top-5 maps, {network}, {layer}"
        for tool in ("captum", "zennit", "pytorch-grad-cam"):
            if tool in tools.index:
                row = tools.loc[tool]
                goal = goals[str(layer)] if tool == "captum" else 1.0
                yield Row(
                    "heatmaps", where, tool, f"{ours.batch / ours.cpu_seconds:.1f} images per CPU s",
                    f"{row.batch / row.cpu_seconds:.1f}", row.cpu_seconds / ours.cpu_seconds, goal,
                )  # fmt: skip
        floor, vebi = tools.loc["floor"], tools.loc["vebi: vebi"]
        yield Row(
            "heatmaps", where, "floor: forward and k backward passes",
            f"{ours.cpu_seconds:.2f} CPU s", f"{floor.cpu_seconds:.2f} CPU s",
            floor.cpu_seconds / ours.cpu_seconds, 1 / 1.15,
        )  # fmt: skip
        yield Row(
            "heatmaps", f"{where}: vebi", "deconv_gb, ours", f"{vebi.cpu_seconds:.2f} CPU s",
            f"{ours.cpu_seconds:.2f} CPU s", ours.cpu_seconds / vebi.cpu_seconds, 1 / 1.5,
        )  # fmt: skip
    peers = {"descriptors": ("plain forward pass", 1 / 1.15), "ablation": ("forward hooks", 1.0)}
    for work, (tool, goal) in peers.items():
        part = table[table.work == work]
        for (network, layer), group in part.fillna({"layer": ""}).groupby(["network", "layer"]):
            tools = group.set_index("tool")
            ours, peer = tools.loc["vebi"], tools.loc[tool]
            yield Row(
                work, f"{network} {layer}".strip(), tool, f"{ours.cpu_seconds:.2f} CPU s",
                f"{peer.cpu_seconds:.2f} CPU s", peer.cpu_seconds / ours.cpu_seconds, goal,
            )  # fmt: skip


def explain(table: pd.DataFrame) -> Iterator[Row]:
    """One image and a batch, from pixels to maps. Features may cost twice what the peer's do alone."""
    key: Any
    for key, group in table.groupby(["network", "batch", "method"], sort=False):
        network, batch, method = key
        tools: Any = group.set_index("tool")
        ours, peer = tools.loc["vebi"], tools.drop("vebi").iloc[0]
        goal = 1.3 if batch > 1 else 0.5 if "features" in str(ours.note) else 1.0
        yield Row(
            "explanation", f"{method}, {batch} image{'s' if batch > 1 else ''}, {network}", peer.name,
            f"{ours.cpu_milliseconds:.0f} CPU ms", f"{peer.cpu_milliseconds:.0f} CPU ms",
            ours.times_peer, goal,
        )  # fmt: skip


def iou(table: pd.DataFrame) -> Iterator[Row]:
    """The IoU curve."""
    tools: Any = table.set_index("tool")
    ours, loop = tools.loc["vebi"], tools.loc["loop"]
    yield Row(
        "IoU", f"{ours.thresholds:.0f} thresholds, {ours.side:.0f} x {ours.side:.0f}",
        "loop over thresholds, same numbers", f"{ours.images_per_second:,.0f} images/s",
        f"{loop.images_per_second:,.0f} images/s", loop.cpu_seconds / ours.cpu_seconds, 20.0,
    )  # fmt: skip


def input_resampling(table: pd.DataFrame) -> Iterator[Row]:
    """Statistics of all neurons over the perturbed copies."""
    tools: Any = table.set_index("tool")
    if {"vebi", "naive"} <= set(tools.index):
        ours, naive = tools.loc["vebi"], tools.loc["naive"]
        yield Row(
            "input resampling", "statistics of all neurons", "keep everything, numpy",
            f"{ours.cpu_seconds:.1f} CPU s, {ours.peak_mb:.0f} MB",
            f"{naive.cpu_seconds:.1f} CPU s, {naive.peak_mb:.0f} MB",
            naive.cpu_seconds / ours.cpu_seconds, 1.0,
        )  # fmt: skip


def rendering(table: pd.DataFrame) -> Iterator[Row]:
    """Images per second and core, and what a second process adds."""
    chunks = table[table.work == "chunks"].set_index("processes")
    one: Any
    two: Any
    one, two = chunks.loc[1], chunks.loc[2]
    yield Row(
        "rendering", "images with masks, one process", "goal of 6 images/s",
        f"{one.images_per_second:.1f} images/s", "6 images/s", one.images_per_second / 6, 1.0,
    )  # fmt: skip
    yield Row(
        "rendering", "two processes", "one process", f"{two.images_per_second:.1f} images/s",
        f"{one.images_per_second:.1f} images/s", two.images_per_second / one.images_per_second, 1.5,
    )  # fmt: skip


def workflow(table: pd.DataFrame) -> Iterator[Row]:
    """The share of the run that is not work."""
    whole = table[table.rule == "all"].iloc[0]
    yield Row(
        "workflow", f"{whole.jobs:.0f} jobs of the default run", "at most 15 % overhead",
        f"{100 * whole.overhead:.1f} % of {whole.core_seconds + whole.snakemake:,.0f} core s", "15 %",
        0.15 / whole.overhead, 1.0,
    )  # fmt: skip


SECTIONS: dict[str, Callable[[pd.DataFrame], Iterator[Row]]] = {
    "mu_lasso": mu_lasso,
    "heatmaps": heatmaps,
    "explain": explain,
    "iou": iou,
    "input_resampling": input_resampling,
    "rendering": rendering,
    "workflow": workflow,
}


def readable(ratio: float) -> str:
    """Three significant digits, as 0.892, 1.13 and 10,600."""
    return f"{float(f'{ratio:.3g}'):,.10g}"


def as_markdown(rows: list[Row]) -> str:
    """The table for a README."""
    lines = ["| work | peer | ours | peer's | ratio | goal |", "|---|---|---|---|---|---|"]
    for row in rows:
        verdict = "" if row.met else " (**missed**)"
        note = f" ({row.note})" if row.note else ""
        lines.append(
            f"| {row.area}: {row.work} | {row.peer_tool}{note} | {row.ours} | {row.peer} "
            f"| {readable(row.ratio)} | {row.goal:.3g}{verdict} |"
        )
    return "\n".join(lines) + "\n"


def draw(rows: list[Row]) -> Figure:
    """Ratios as bars on a logarithmic axis, the goal of each as a mark."""
    figure = Figure(figsize=(9.5, 0.3 * len(rows) + 1.2))
    axes = figure.subplots()
    places = np.arange(len(rows))[::-1]
    ratios = np.array([row.ratio for row in rows])
    colours = [BLUE if row.met else VERMILION for row in rows]
    axes.barh(places, np.log10(ratios), color=colours, height=0.6)
    axes.plot(np.log10([row.goal for row in rows]), places, "|", color="black", ms=12, mew=2)
    axes.set_yticks(
        places, [f"{r.area}: {r.work}\nagainst {r.peer_tool}" for r in rows], fontsize=6
    )
    for place, ratio in zip(places, ratios, strict=True):
        # Right of the axis in any case: goals below 1 have their mark on the left.
        end = max(np.log10(ratio), 0.0) + 0.05
        axes.text(end, place, readable(ratio), va="center", fontsize=7)
    ticks = np.arange(np.floor(np.log10(ratios.min())), np.ceil(np.log10(ratios.max())) + 1)
    axes.set_xticks(ticks, [f"{10.0**t:g}" for t in ticks])
    axes.axvline(0, color=GREY, lw=1)
    axes.margins(x=0.12)
    axes.set_xlabel("peer's cost over ours (above 1: ours needs less); black mark: the goal")
    axes.grid(axis="y", visible=False)
    return figure


def main(folder: Path) -> list[Row]:
    """Read what is there, write the summary, return its rows."""
    rows: list[Row] = []
    for name, section in SECTIONS.items():
        if (folder / f"{name}.csv").is_file():
            rows += section(pd.read_csv(folder / f"{name}.csv"))
    table = pd.DataFrame([{**asdict(row), "met": row.met} for row in rows])
    text = table.to_csv(index=False, float_format="%.4g", lineterminator="\n")
    write_text(folder / "summary.csv", text)
    write_text(folder / "summary.md", as_markdown(rows))
    save(draw(rows), folder / "summary.png")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("results/bench"))
    print(as_markdown(main(parser.parse_args().folder)))
