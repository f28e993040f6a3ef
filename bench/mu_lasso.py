"""The mu-Lasso against its peers: same data, same machine, same process tree.

    python bench/mu_lasso.py [--quick] [--descriptors FILE] [--out results/bench/mu_lasso.csv]

Every measurement runs in a process of its own with one thread (the row `end to end` uses two), rounds of
all tools one after the other, so that a busy machine hits all alike; the medians go to the table. The
gap is computed here, for every tool by the same formula. Rows with `extrapolated` = 1 were not run to
their end: their note says what was measured and what was multiplied.

Peers that are not dependencies of vebi: pip install spams-bin celer. Without them their rows are missing.
The second table, *_scale.csv, shows how the cost grows with samples, features and classes.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import statistics as numbers
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from scipy.optimize import nnls
from threadpoolctl import threadpool_limits

from vebi.io.files import write_text
from vebi.selection.certificate import certify
from vebi.selection.homotopy import solve_path, solve_paths_of
from vebi.selection.projected_gradient import compress, spectral_projected_gradient
from vebi.selection.select import solve_paths
from vebi.selection.statistics import Accumulator, Statistics, read_statistics

MUS = (10.0, 50.0, 100.0, 200.0, 500.0, 700.0, 1000.0)
MU_MAX = 1000.0

COLUMNS = (
    "problem", "tool", "work", "classes", "mu", "seconds", "cpu_seconds", "peak_mb", "relative_gap",
    "n_features", "exact_features", "iterations", "extrapolated", "times_ours", "note",
)  # fmt: skip

# VGG-F on ImageNet: every response but the last two.
IMAGENET = {"N": 1_281_167, "m": 19_456, "classes": 1_000}


# --- data ---


def make_descriptors(path: Path, n_samples: int) -> str:
    """A descriptor file of the MatConvNet MNIST net (m = 1,140), trained for one epoch.

    On MNIST if it is at hand, else on shifted copies of scikit-learn's digits. Returns the data's name.
    """
    import torch

    from vebi.data import digits, mnist
    from vebi.data.dataset import Images, open_dataset, write_dataset
    from vebi.descriptors.describe import describe
    from vebi.io.errors import VebiError
    from vebi.models.train import TrainingSettings, train

    try:
        data, name = mnist.load(path.parent), "mnist"
    except (VebiError, OSError):
        small, rng = digits.load(), np.random.default_rng(0)
        chosen = rng.integers(0, len(small.labels), n_samples)
        shift = rng.integers(-3, 4, (n_samples, 2))
        images = np.stack(
            [np.roll(small.images[i], s, (0, 1)) for i, s in zip(chosen, shift, strict=True)]
        )
        split = np.zeros(n_samples, np.int64)
        data, name = Images(images, small.labels[chosen], split, small.classes), "digits"
    rows = np.flatnonzero(data.split == 0)[:n_samples]
    data = Images(data.images[rows], data.labels[rows], data.split[rows], data.classes)
    write_dataset(path.with_suffix(".images.h5"), data)
    dataset = open_dataset(path.with_suffix(".images.h5"))
    settings = TrainingSettings(1, 100, "sgd", 0.001, 0.9, 0.0005, 0.01)
    net = train(dataset, "matconvnet", settings, 0, torch.device("cpu"))[0]
    describe(net, dataset, path)
    path.with_suffix(".images.h5").unlink()
    return name


# --- one measurement in a process of its own ---


def peak_megabytes() -> float:
    """Largest resident memory of this process; ru_maxrss would include the parent's."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": peak_megabytes(),
    }


def proof_of(
    sums: Statistics, weights: np.ndarray, mu: float, classes: list[int]
) -> dict[str, float]:
    """Largest relative gap and union of features of weights (C, m); shrunk into the ball if outside."""
    gaps = []
    for j, w in zip(classes, weights, strict=True):
        w = w * min(1.0, mu / max(np.abs(w).sum(), 1e-300))
        count = float(sums.counts[j])
        gaps.append(
            certify(sums.gram, sums.cross[:, j], count, w[None], np.array([mu])).relative_gap[0]
        )
    return {"relative_gap": max(gaps), "n_features": int((weights != 0).any(axis=0).sum())}


def end_to_end(files: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    out = Path(files["folder"]) / "path.h5"
    processes = options["processes"]
    solution, cost = timed(
        lambda: solve_paths(files["descriptors"], out, mus=MUS, processes=processes)
    )
    gap = max(float(path.relative_gap.max()) for path in solution.classes)
    selected = (solution.weights_at(MU_MAX) != 0).any(axis=0).sum()
    return cost | {"relative_gap": gap, "n_features": int(selected)}


def read_sums(files: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    return timed(lambda: read_statistics(files["descriptors"]))[1]


def our_path(files: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    sums = Statistics.load(files["statistics"])
    if options["classes"] == 1:
        sums = Statistics(sums.gram, sums.cross[:, :1], sums.counts[:1])
    paths, cost = timed(lambda: solve_paths_of(sums, MU_MAX))
    weights = np.array([path.weights_at(MU_MAX) for path in paths])
    selected = int((weights != 0).any(axis=0).sum())
    gap = max(float(path.relative_gap.max()) for path in paths)
    breakpoints = sum(len(path) for path in paths)
    return cost | {"relative_gap": gap, "n_features": selected, "iterations": breakpoints}


def spams_gram(files: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    import spams

    sums, mu = Statistics.load(files["statistics"]), options["mu"]
    gram, m = np.asfortranarray(sums.gram), sums.n_features
    classes = list(range(options["classes"]))
    signals = np.zeros((m, len(classes)), order="F")
    signals[0] = np.sqrt(sums.counts[classes])
    cross = np.asfortranarray(sums.cross[:, classes])
    found, cost = timed(
        lambda: spams.lasso(signals, Q=gram, q=cross, lambda1=mu, mode=0, L=20 * m, numThreads=1)
    )
    return cost | proof_of(sums, np.asarray(found.todense()).T, mu, classes)


def scikit_learn_path(files: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    from sklearn.linear_model import lars_path_gram

    sums = Statistics.load(files["statistics"])
    # It stops at a penalty, not at a norm: give it the one of the exact path at MU_MAX.
    last = solve_path(sums.gram, sums.cross[:, 0].copy(), float(sums.counts[0]), MU_MAX)
    alpha = float(last.multiplier[-1]) / sums.n_samples
    found, cost = timed(
        lambda: lars_path_gram(
            sums.cross[:, 0], sums.gram, n_samples=sums.n_samples, alpha_min=alpha,
            method="lasso", max_iter=20 * sums.n_features,
        )
    )  # fmt: skip
    coefs = found[2].T
    norms = np.abs(coefs).sum(axis=1)
    reached = float(min(norms.max(), MU_MAX))
    right = min(int(np.searchsorted(norms, reached)), len(norms) - 1)
    left = max(right - 1, 0)
    t = (reached - norms[left]) / max(norms[right] - norms[left], 1e-300)
    w = (1 - t) * coefs[left] + t * coefs[right]
    return (
        cost
        | proof_of(sums, w[None], reached, [0])
        | {"iterations": len(coefs), "mu": reached, "note": f"reached an l1 norm of {reached:.4g}"}
    )


def celer_compressed(files: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    from celer import Lasso

    sums, mu = Statistics.load(files["statistics"]), options["mu"]
    cross, count = sums.cross[:, 0].copy(), float(sums.counts[0])
    A, b = compress(sums.gram, cross, count)
    # It takes a penalty: give it the exact path's, which no user would know.
    multiplier = solve_path(sums.gram, cross, count, mu).multiplier[-1]
    solver = Lasso(alpha=multiplier / len(A), fit_intercept=False, tol=1e-10, max_iter=200)
    A = np.asfortranarray(A)
    solver, cost = timed(lambda: solver.fit(A, b))
    return (
        cost
        | proof_of(sums, solver.coef_[None], mu, [0])
        | {"iterations": int(solver.n_iter_), "note": "penalty taken from the exact path"}
    )


def spgl1_compressed(files: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    sums, mu = Statistics.load(files["statistics"]), options["mu"]
    A, b = compress(sums.gram, sums.cross[:, 0], float(sums.counts[0]))
    (w, iterations), cost = timed(
        lambda: spectral_projected_gradient(A, b, mu, iteration_limit=options["limit"])
    )
    note = f"stopped by the limit of {options['limit']:,} iterations"
    return (
        cost
        | proof_of(sums, w[None], mu, [0])
        | {"iterations": iterations, "note": note if iterations >= options["limit"] else ""}
    )


def spgl1_raw(files: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    sums, mu = Statistics.load(files["statistics"]), options["mu"]
    with h5py.File(files["descriptors"]) as file:
        rows = file["split"][:] == 0
        X, labels = file["X"][:][rows].astype(np.float64), file["labels"][:][rows]
    target = (labels == 0).astype(np.float64)
    (w, iterations), cost = timed(
        lambda: spectral_projected_gradient(X, target, mu, iteration_limit=options["limit"])
    )
    note = f"stopped by this benchmark after {iterations} iterations"
    return (
        cost
        | proof_of(sums, w[None], mu, [0])
        | {"iterations": iterations, "note": note if iterations >= options["limit"] else ""}
    )


def statistics_of_noise(files: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    """Statistics of `rows` random samples of `m` features, made block by block."""
    m, n_classes = options["m"], options["classes"]
    rng = np.random.default_rng(0)
    size = min(options["rows"], 2048)
    block = rng.random((size, m), dtype=np.float32)
    block /= block.sum(axis=1, keepdims=True)
    total = Accumulator(m, n_classes)

    def add_all() -> None:
        for start in range(0, options["rows"], size):
            rows = min(size, options["rows"] - start)
            total.add(block[:rows], rng.integers(0, n_classes, rows))

    return timed(add_all)[1]


def path_of_wide_layers(files: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    """One class's path of `breakpoints` breakpoints on `m` features of a synthetic network."""
    m = options["m"]
    rng = np.random.default_rng(0)
    n = 2 * m
    labels = rng.integers(0, 10, n)
    # A third of the features each: responses, their pooled copies, and independent ones.
    third = m // 3
    hidden = rng.random((10, third))[labels] + rng.random((n, third))
    X = np.hstack([hidden, hidden**1.1, rng.random((n, m - 2 * third))]).astype(np.float32)
    X /= X.sum(axis=1, keepdims=True)
    total = Accumulator(m, 10)
    total.add(X, labels)
    del X
    sums = total.result()
    cross, count = sums.cross[:, 0].copy(), float(sums.counts[0])
    mu = 50.0
    path = solve_path(sums.gram, cross, count, mu)
    while len(path) <= options["breakpoints"] and mu < 1e6:
        mu *= 2
        path = solve_path(sums.gram, cross, count, mu)
    last = min(options["breakpoints"], len(path) - 1)
    path, cost = timed(lambda: solve_path(sums.gram, cross, count, float(path.l1_norm[last])))
    return cost | {
        "relative_gap": float(path.relative_gap.max()),
        "n_features": int(np.diff(path.indptr)[-1]),
        "iterations": len(path) - 1,
    }


def measure(
    task: Callable[..., dict[str, Any]], files: dict[str, str], **options: Any
) -> dict[str, Any]:
    """Run one task in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_single_threaded, (task, files, options))


def _single_threaded(
    task: Callable[..., dict[str, Any]], files: dict[str, str], options: dict[str, Any]
) -> dict[str, Any]:
    with threadpool_limits(1):
        if task in (our_path, path_of_wide_layers):
            # Loading compiled code from numba's cache (0.3 s) is part of `end to end` only.
            solve_path(np.eye(3), np.ones(3), 3.0, 10.0)
        return task(files, options)


# --- the tables ---


def plan(n_classes: int, quick: bool) -> list[tuple[str, str, Callable[..., Any], dict[str, Any]]]:
    """(tool, work, task, options) of every measurement; `once` marks those too long to repeat."""
    limit = 300 if quick else 9_999
    raw_limit = 5 if quick else 60
    tasks: list[tuple[str, str, Callable[..., Any], dict[str, Any]]] = [
        ("vebi", "end to end, every mu", end_to_end, {"classes": n_classes, "processes": 2}),
        ("vebi", "statistics", read_sums, {"classes": n_classes}),
        ("vebi", "path, every mu, certified", our_path, {"classes": n_classes}),
        ("vebi", "path, every mu, certified", our_path, {"classes": 1}),
        ("scikit-learn lars_path_gram", "path", scikit_learn_path, {"classes": 1}),
    ]
    if importlib.util.find_spec("spams"):
        for mu in MUS:
            options = {"classes": n_classes, "mu": mu}
            tasks.append(("spams on the Gram matrix", "one mu", spams_gram, options))
    if importlib.util.find_spec("celer"):
        for mu in MUS[:1] if quick else MUS[:3]:
            options = {"classes": 1, "mu": mu, "once": mu > 10}
            tasks.append(("celer, compressed problem", "one mu", celer_compressed, options))
    for mu in MUS[:2] if quick else MUS:
        options = {"classes": 1, "mu": mu, "limit": limit, "once": True}
        tasks.append(("spgl1, compressed problem", "one mu", spgl1_compressed, options))
    for mu in MUS[:1] if quick else MUS[:3:2]:
        options = {"classes": 1, "mu": mu, "limit": raw_limit, "once": True}
        tasks.append(("spgl1, raw matrix (McGill)", "one mu", spgl1_raw, options))
    return tasks


def compare(descriptors: Path, folder: Path, problem: str, quick: bool) -> pd.DataFrame:
    """Run the plan in rounds and add what can only be extrapolated."""
    sums = read_statistics(descriptors)
    sums.save(folder / "statistics.h5")
    files = {
        "descriptors": str(descriptors),
        "statistics": str(folder / "statistics.h5"),
        "folder": str(folder),
    }
    exact = solve_paths_of(sums, MU_MAX)
    n_classes = sums.n_classes
    tasks = plan(n_classes, quick)
    results: list[list[dict[str, Any]]] = [[] for _ in tasks]
    for round_ in range(2 if quick else 3):
        for (tool, work, task, options), found in zip(tasks, results, strict=True):
            if round_ and options.get("once"):
                continue
            found.append(measure(task, files, **options))
            print(f"{tool}, {work}, {options}: {found[-1]}", flush=True)
    rows = []
    for (tool, work, _, options), found in zip(tasks, results, strict=True):
        row: dict[str, Any] = {"problem": problem, "tool": tool, "work": work, "extrapolated": 0}
        row |= {"classes": options["classes"], "mu": options.get("mu", MU_MAX)} | found[0]
        for key in ("seconds", "cpu_seconds", "peak_mb"):
            row[key] = numbers.median(one[key] for one in found)
        weights = np.array([path.weights_at(row["mu"]) for path in exact[: options["classes"]]])
        row["exact_features"] = int((weights != 0).any(axis=0).sum())
        rows.append(row)
    table = pd.DataFrame(rows)
    return pd.concat([table, pd.DataFrame(extrapolate(table, n_classes, problem))])


def extrapolate(table: pd.DataFrame, n_classes: int, problem: str) -> list[dict[str, Any]]:
    """The sweep of all classes and mu by spgl1, from the iterations of class 0 and their cost."""
    compressed = table[table.tool == "spgl1, compressed problem"]
    raw = table[table.tool == "spgl1, raw matrix (McGill)"]
    per_iteration = {
        "spgl1, compressed problem": compressed.cpu_seconds.sum() / compressed.iterations.sum(),
        "spgl1, raw matrix (McGill)": raw.cpu_seconds.sum() / raw.iterations.sum(),
    }
    rows = []
    for tool, cost in per_iteration.items():
        seconds = float(cost * compressed.iterations.sum() * n_classes)
        note = (
            f"{compressed.iterations.sum():.0f} iterations of class 0 over {len(compressed)} mu on the "
            f"compressed problem (a lower bound: its limit stopped "
            f"{int((compressed.note != '').sum())} of them) x {cost:.3g} CPU s measured per iteration "
            f"x {n_classes} classes"
        )
        rows.append(
            {
                "problem": problem, "tool": tool, "work": f"sweep of {len(compressed)} mu",
                "classes": n_classes, "mu": compressed.mu.max(), "seconds": seconds,
                "cpu_seconds": seconds, "relative_gap": compressed.relative_gap.max(),
                "iterations": compressed.iterations.sum() * n_classes, "extrapolated": 1, "note": note,
            }
        )  # fmt: skip
    return rows


def times_ours(table: pd.DataFrame) -> pd.Series:
    """CPU seconds relative to our path of every mu for as many classes, end to end for the sweeps."""
    ours = table[(table.tool == "vebi")].set_index(["work", "classes"]).cpu_seconds
    reference = [
        ours[
            "end to end, every mu"
            if row["work"].startswith(("sweep", "end"))
            else "path, every mu, certified",
            row["classes"],
        ]
        for row in table.to_dict("records")
    ]
    return table.cpu_seconds / np.array(reference)


def fit_cost(seconds: pd.Series, terms: np.ndarray) -> np.ndarray:
    """Coefficients >= 0 of seconds ~ terms @ coefficients, by least relative error."""
    scaled = terms / seconds.to_numpy()[:, None]
    size = np.linalg.norm(scaled, axis=0)
    return nnls(scaled / size, np.ones(len(seconds)))[0] / size


def scale(quick: bool) -> pd.DataFrame:
    """Cost of statistics and path as N and m grow, the fitted curves, and ImageNet by them."""
    rows: list[dict[str, Any]] = []
    sizes = (285, 570) if quick else (570, 1140, 2280, 4560)
    for m in sizes:
        for n in (2048, 4096) if quick else (4096, 8192, 16384):
            cost = measure(statistics_of_noise, {}, rows=n, m=m, classes=10)
            rows.append({"work": "statistics", "N": n, "m": m, "classes": 10} | cost)
        cost = measure(path_of_wide_layers, {}, m=m, breakpoints=50 if quick else 200)
        rows.append({"work": "path of one class", "N": 2 * m, "m": m, "classes": 1} | cost)
        print(rows[-2], rows[-1], flush=True)
    table = pd.DataFrame(rows)
    table["extrapolated"] = 0
    sums, paths = (table[table.work == work] for work in ("statistics", "path of one class"))
    # Fits of the form that the work has, by least relative error: a free exponent would bend with the
    # fixed costs of the small sizes.
    a, b = fit_cost(sums.cpu_seconds, np.column_stack([sums.N * sums.m**2.0, sums.N * sums.m]))
    c, d = fit_cost(paths.cpu_seconds, np.column_stack([paths.m**2.0, paths.m]))
    N, m, classes = IMAGENET["N"], IMAGENET["m"], IMAGENET["classes"]
    gram = a * N * m**2 + b * N * m
    one_hot = 2 * N * m * classes
    gram_flops = N * m**2
    speed = gram_flops / gram
    path = (c * m**2 + d * m) * classes
    megabytes = (m**2 * 8 + m * classes * 8 + 16 * 1024 * m) / 2**20
    note = f"fit t = {a:.3g} N m^2 + {b:.3g} N m CPU s"
    more = [
        {"work": "statistics", "cpu_seconds": gram + one_hot / speed, "note": note},
        {"work": "statistics on a GPU of 10 TFLOP/s in float64 (assumed, not measured)",
         "cpu_seconds": (gram_flops * 2 + one_hot) / 1e13,
         "note": f"{(2 * gram_flops + one_hot):.3g} floating-point operations"},
        {"work": "paths of all classes", "cpu_seconds": path,
         "note": f"fit t = {c:.3g} m^2 + {d:.3g} m CPU s per class and "
                 f"{int(paths.iterations.max())} breakpoints"},
    ]  # fmt: skip
    shared = {"N": N, "m": m, "classes": classes, "peak_mb": megabytes, "extrapolated": 1}
    return pd.concat([table, pd.DataFrame([row | shared for row in more])], ignore_index=True)


def run(out_csv: str | Path, quick: bool, descriptors: str | Path | None = None) -> pd.DataFrame:
    """Write the comparison to `out_csv` and the scale run to *_scale.csv next to it."""
    out = Path(out_csv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if descriptors is None:
            descriptors = folder / "descriptors.h5"
            name = make_descriptors(descriptors, 3_000 if quick else 60_000)
        else:
            name = Path(descriptors).stem
        with h5py.File(descriptors) as file:
            problem = f"{name}, N = {file['X'].shape[0]}, m = {file['X'].shape[1]}"
        table = compare(Path(descriptors), folder, problem, quick).reset_index(drop=True)
    table["times_ours"] = times_ours(table)
    table = table.reindex(columns=list(COLUMNS))
    write_text(out, table.to_csv(index=False, float_format="%.4g", lineterminator="\n"))
    growth = scale(quick)
    order = ["work", "N", "m", "classes", "cpu_seconds", "seconds", "peak_mb", "relative_gap",
             "iterations", "extrapolated", "note"]  # fmt: skip
    write_text(
        out.with_name(f"{out.stem}_scale.csv"),
        growth.reindex(columns=order).to_csv(index=False, float_format="%.4g", lineterminator="\n"),
    )
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="toy sizes, a minute")
    parser.add_argument(
        "--descriptors", type=Path, help="descriptor file to use instead of MNIST's"
    )
    parser.add_argument("--out", type=Path, default=Path("results/bench/mu_lasso.csv"))
    arguments = parser.parse_args()
    print(run(arguments.out, arguments.quick, arguments.descriptors).to_string())
