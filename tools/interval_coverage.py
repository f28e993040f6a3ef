"""How often the intervals of `vebi.statistics` hold the truth, and what its verdicts say of known truths.

    python tools/interval_coverage.py --out results/reference/statistics

writes `coverage.csv` (a row per interval and setting) and `verdicts.csv` (a row per truth and
design), and puts the tables of docs/statistics.md in place, in a few CPU minutes.
tests/unit/statistics/test_coverage.py asserts the same on a smaller grid. Older rules that no table
should use stand alongside those in use.

Spreads are standard deviations of networks, scenes and what neither explains, in this order. In the
flowers' areas under the IoU curve the first is 3 to 16 times and the second 1 to 5 times the third.
Skewed data have skewness 1; in the committed tables that of networks is between 0 and about 1. Strongly
skewed ones (exponential, skewness 2) show where the limit is.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from vebi.statistics import (
    MARGINS,
    Cell,
    Verdict,
    bootstrap_interval,
    cluster_interval,
    clustered_proportion_interval,
    contrast,
    crossed_interval,
    draw_key,
    judge_ordering,
    judge_orderings,
    nested_interval,
    over_networks,
    over_networks_and_draws,
    over_networks_and_scenes,
    pool,
    predict,
    wilson_interval,
)

Draw = Callable[[np.random.Generator, Sequence[int]], np.ndarray]
# Mean 0 and standard deviation 1.
DISTRIBUTIONS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "skewed": lambda rng, shape: rng.gamma(4, 1, shape) / 2 - 2,
    "strongly skewed": lambda rng, shape: rng.exponential(1, shape) - 1,
}
SPREADS = (
    (4, 1, 1),
    (3, 1, 1),
    (1, 1, 1),
    (1, 3, 1),
    (1, 0.3, 1),
    (0.5, 0.5, 1),
    (1, 0, 1),
    (0, 1, 1),
)
# What a row promises: a share between these ends, or nothing.
WITHIN, AT_LEAST, LIMIT, RIVAL = "93 to 97", "at least 93", "limit", "not in use"
COLUMNS = (
    *("interval", "rule", "promise", "data", "networks", "scenes", "spread", "detail"),
    *("coverage", "above_truth", "below_truth", "width", "simulations"),
)


@dataclass(frozen=True)
class Grid:
    """What to simulate, and how often: `many` times in one go, `few` where every data set is a call."""

    networks: tuple[int, ...] = (3, 5, 10, 20)
    scenes: tuple[int, ...] = (6, 12, 20)
    spreads: tuple[tuple[float, float, float], ...] = SPREADS
    data: tuple[str, ...] = tuple(DISTRIBUTIONS)
    many: int = 10_000
    few: int = 1000
    rivals: bool = True


@dataclass
class Setting:
    """The columns that say what was simulated."""

    interval: str
    data: str
    networks: int | str = ""
    scenes: int | str = ""
    spread: tuple[float, ...] = ()
    detail: str = ""
    promise: str = WITHIN
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        if self.data == "strongly skewed":
            self.promise = LIMIT
        text = (
            f"{self.interval}|{self.data}|{self.networks}|{self.scenes}|{self.spread}|{self.detail}"
        )
        self.rng = np.random.default_rng(draw_key(f"coverage: {text}"))

    def row(self, rule: str, low: Any, high: Any, truth: Any = 0.0) -> dict[str, Any]:
        """How often `low` to `high` holds `truth`; the first rule of a setting is the one in use."""
        low, high = np.asarray(low, float), np.asarray(high, float)
        above, below = (low > truth + 1e-12).mean(), (high < truth - 1e-12).mean()
        return {
            "interval": self.interval,
            "rule": rule,
            "promise": self.promise if rule in IN_USE else RIVAL,
            "data": self.data,
            "networks": self.networks,
            "scenes": self.scenes,
            "spread": ":".join(f"{s:g}" for s in self.spread),
            "detail": self.detail,
            # A rule that gives no interval has not held the truth.
            "coverage": ((low <= truth + 1e-12) & (high >= truth - 1e-12)).mean(),
            "above_truth": above,
            "below_truth": below,
            "width": np.median(high - low),
            "simulations": len(low),
        }


IN_USE = {
    "over_networks",
    "over_networks_and_draws",
    "over_networks_and_scenes",
    "predict",
    "clustered_proportion_interval",
    "pool",
    "interaction",
}


def over_networks_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    """Student's t over networks (or over the scenes of one), and the percentile bootstrap."""
    counts = sorted({*grid.networks, 4, 6, 8, 15}) if grid.rivals else grid.networks
    for data in grid.data:
        for n in counts:
            setting = Setting("mean over networks", data, n)
            values = DISTRIBUTIONS[data](setting.rng, (grid.many, n))
            yield setting.row("over_networks", *over_networks(values).interval())
            if grid.rivals and data == "normal":
                yield setting.row(
                    "bootstrap_interval", *_each(bootstrap_interval, values[: grid.few])
                )
    if grid.rivals:
        setting = Setting("mean over networks", "normal", 2)
        values = setting.rng.normal(size=(grid.few, 2))
        yield setting.row("bootstrap_interval", *_each(bootstrap_interval, values))


def draws_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    """Networks, each with draws of its own: standard deviations 0.07 and 0.10 as on MNIST."""
    for data in grid.data:
        for n in grid.networks:
            for n_draws in (3, 50):
                setting = Setting(
                    "mean over networks and draws", data, n, "", (0.07, 0.1), f"{n_draws} draws"
                )
                draw = DISTRIBUTIONS[data]
                values = 0.07 * draw(setting.rng, (grid.many, n, 1))
                values = values + 0.1 * draw(setting.rng, (grid.many, n, n_draws))
                yield setting.row(
                    "over_networks_and_draws", *over_networks_and_draws(values).interval()
                )
                if grid.rivals and data == "normal" and n < 20:
                    ends = _each(nested_interval, values[: grid.few])
                    yield setting.row("nested_interval", *ends)


def crossed_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    """Networks times scenes, one value for each pair."""
    for data in grid.data:
        for n in grid.networks:
            for j in grid.scenes:
                for spread in (*grid.spreads, (0, 0, 1)):
                    if data == "strongly skewed" and spread not in ((3, 1, 1), (1, 1, 1)):
                        continue
                    setting = Setting("mean over networks and scenes", data, n, j, spread)
                    if spread == (0, 0, 1) and setting.promise == WITHIN:
                        setting.promise = AT_LEAST
                    shape = grid.many, n, j
                    values = crossed_values(setting.rng, DISTRIBUTIONS[data], shape, spread)
                    found = over_networks_and_scenes(values)
                    yield setting.row("over_networks_and_scenes", *found.interval())
                    if grid.rivals:
                        yield setting.row("Satterthwaite", *satterthwaite(values))
                        fixed = over_networks(values.mean(-1))
                        yield setting.row("over_networks", *fixed.interval()) | {"promise": RIVAL}
                    if grid.rivals and data == "normal" and spread == (1, 1, 1):
                        ends = _each(crossed_interval, values[: grid.few], np.arange(j))
                        yield setting.row("crossed_interval", *ends)


def crossed_values(
    rng: np.random.Generator, draw: Draw, shape: tuple[int, int, int], spread: Sequence[float]
) -> np.ndarray:
    """Effects around 0; `shape` is (many, n, j)."""
    many, n, j = shape
    networks, scenes, rest = spread
    values = rest * draw(rng, shape)
    values += networks * draw(rng, (many, n, 1))
    values += scenes * draw(rng, (many, 1, j))
    return values


def satterthwaite(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The crossed interval with one number of degrees of freedom (Satterthwaite 1946): both ends."""
    n, j = values.shape[-2:]
    network, scene, mean = values.mean(-1), values.mean(-2), values.mean((-2, -1))
    rest = values - network[..., None] - scene[..., None, :] + mean[..., None, None]
    a, b = network.var(-1, ddof=1) / n, scene.var(-1, ddof=1) / j
    e = (rest**2).sum((-2, -1)) / ((n - 1) * (j - 1)) / (n * j)
    variance, least = a + b - e, np.maximum(a, b)
    df = variance**2 / (a**2 / (n - 1) + b**2 / (j - 1) + e**2 / ((n - 1) * (j - 1)))
    df = np.where(variance >= least, df, np.where(a > b, n - 1, j - 1))
    half = special.stdtrit(df, 0.975) * np.sqrt(np.maximum(variance, least))
    return mean - half, mean + half


def uneven_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    """Scenes of 5 to 40 images, and a fifth of the values not applicable."""
    for data in [d for d in grid.data if d != "strongly skewed"]:
        for n in grid.networks:
            for j in grid.scenes:
                for detail in ("5 to 40 images per scene", "a fifth missing"):
                    spread = (3.0, 1.0, 1.0)
                    setting = Setting("mean over networks and scenes", data, n, j, spread, detail)
                    ends = [
                        over_networks_and_scenes(
                            _uneven(setting, part, n, j, "missing" in detail)
                        ).interval()
                        for part in _split(grid.many, 50)
                    ]
                    low, high = (np.concatenate(side) for side in zip(*ends, strict=True))
                    yield setting.row("over_networks_and_scenes", low, high)


def _uneven(setting: Setting, many: int, n: int, j: int, missing: bool) -> np.ndarray:
    rng, draw = setting.rng, DISTRIBUTIONS[setting.data]
    values = crossed_values(rng, draw, (many, n, j), (*setting.spread[:2], 0))
    noise = setting.spread[2] * draw(rng, (many, n, j))
    if not missing:
        return values + noise * np.sqrt(12 / rng.integers(5, 41, j))
    holes = rng.random((n, j)) < 0.2
    # Every network and every scene keeps a value, or the data set would be another one.
    holes[np.arange(n), rng.integers(0, j, n)] = False
    holes[rng.integers(0, n, j), np.arange(j)] = False
    return np.where(holes, np.nan, values + noise)


def accuracy_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    """Shares of hits near 1, and their difference; 12 images per scene.

    Chances vary over networks and scenes on the logit scale. Our networks differ little there
    (MNIST 0.9908 to 0.9914); the wider spread is a limit.
    """
    for levels in ((0.9,), (0.97,), (0.97, 0.9)):
        for spread in ((0.2, 0.4, 0.3), (0.6, 0.4, 0.3)):
            for n in grid.networks:
                for j in grid.scenes:
                    detail = "share " + " minus ".join(f"{level:g}" for level in levels)
                    setting = Setting("mean over networks and scenes", "hits", n, j, spread, detail)
                    if spread[0] > 0.5:
                        setting.promise = LIMIT
                    hits = [_hits(setting, level, grid.many, n, j) for level in levels]
                    truths = [_mean_share(level, spread) for level in levels]
                    sign = np.array([1.0, -1.0])[: len(levels)]
                    found = over_networks_and_scenes(np.tensordot(sign, np.array(hits), 1))
                    yield setting.row("over_networks_and_scenes", *found.interval(), sign @ truths)


def _hits(setting: Setting, level: float, many: int, n: int, j: int) -> np.ndarray:
    """Share of hits among 12 images (many, n, j)."""
    around = crossed_values(setting.rng, DISTRIBUTIONS["normal"], (many, n, j), setting.spread)
    return setting.rng.binomial(12, special.expit(special.logit(level) + around)) / 12


def _mean_share(level: float, spread: Sequence[float]) -> float:
    """Expected share of hits, by Gauss and Hermite's quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    total = math.sqrt(sum(s * s for s in spread))
    return float(
        (weights * special.expit(special.logit(level) + total * nodes)).sum() / weights.sum()
    )


def prediction_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    """One more network, or the mean of five."""
    for data in grid.data:
        draw = DISTRIBUTIONS[data]
        for n in grid.networks:
            for n_new in (1, 5):
                setting = Setting(
                    "prediction", data, n, "", (), f"{n_new} more network{'s' if n_new > 1 else ''}"
                )
                many = min(grid.many, 4 * grid.few)
                values = draw(setting.rng, (many, n))
                new = draw(setting.rng, (many, n_new)).mean(-1)
                ends = [predict(row, n_new) for row in values]
                low, high = [p.low for p in ends], [p.high for p in ends]
                yield setting.row("predict", low, high, new)


def proportion_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    """A network's share of hits among images of few scenes; misses cluster in some of them."""
    for share in (0.5, 0.9, 0.97, 0.99):
        for correlation in (0.0, 0.05, 0.2, 0.5):
            for j in grid.scenes:
                detail = f"share {share:g}, correlation {correlation:g}, 5 to 40 images"
                setting = Setting("proportion over scenes", "hits", 1, j, (), detail, AT_LEAST)
                rng = setting.rng
                chance = np.full((grid.many, j), share)
                if correlation:
                    size = (1 - correlation) / correlation
                    chance = rng.beta(share * size, (1 - share) * size, (grid.many, j))
                totals = np.resize([5, 40, 12, 30, 20, 9], j)
                hits = rng.binomial(totals, chance)
                ends = clustered_proportion_interval(hits, totals)
                yield setting.row("clustered_proportion_interval", *ends, share)
                if grid.rivals:
                    few, n = hits[: grid.few], int(totals.sum())
                    images = [wilson_interval(int(h), n) for h in few.sum(-1)]
                    yield setting.row("wilson_interval", *zip(*images, strict=True), share)
                if grid.rivals and share == 0.9:
                    scenes = np.repeat(np.arange(j), totals)
                    ends = [
                        cluster_interval(_images(row, totals), scenes, 500, [i])
                        for i, row in enumerate(few)
                    ]
                    yield setting.row("cluster_interval", *zip(*ends, strict=True), share)


def _images(hits: np.ndarray, totals: np.ndarray) -> np.ndarray:
    return np.concatenate([np.arange(t) < h for h, t in zip(hits, totals, strict=True)]).astype(
        float
    )


def pooled_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    """Two data sets times two architectures, which share a data set's scenes and half of their spread."""
    for data in [d for d in grid.data if d != "strongly skewed"]:
        for n in grid.networks:
            for j in grid.scenes:
                for spread in [s for s in grid.spreads if s in ((3, 1, 1), (1, 1, 1), (1, 3, 1))]:
                    setting = Setting("pooled effect of 4 cells", data, n, j, spread)
                    many = grid.many // 2
                    cells = four_cells(setting.rng, DISTRIBUTIONS[data], (many, n, j), spread)
                    found = contrast(cells, [0.25] * 4)
                    yield setting.row("pool", *found.interval())
                    signs = [0.5 if c.levels["architecture"] == "a" else -0.5 for c in cells]
                    setting.interval = "interaction of 4 cells"
                    yield setting.row("interaction", *contrast(cells, signs).interval())


def four_cells(
    rng: np.random.Generator,
    draw: Draw,
    shape: tuple[int, ...],
    spread: Sequence[float],
    effects: Sequence[float] = (0, 0, 0, 0),
) -> list[Cell]:
    """Cells of `shape` (..., networks, scenes) around `effects`: two data sets, two architectures."""
    *lead, n, j = shape
    networks, scenes, rest = spread
    cells = []
    for d, dataset in enumerate("uv"):
        shared = draw(rng, (*lead, 1, j))
        for a, architecture in enumerate("ab"):
            own = draw(rng, (*lead, 1, j))
            values = effects[2 * d + a] + networks * draw(rng, (*lead, n, 1))
            values = (
                values + scenes * (shared + own) / math.sqrt(2) + rest * draw(rng, (*lead, n, j))
            )
            levels = {"dataset": dataset, "architecture": architecture}
            cells.append(Cell(values, dataset + architecture, levels, scenes=dataset))
    return cells


# True effects of the four cells. The spreads are those of areas under the IoU curve.
TRUTHS: dict[str, tuple[float, float, float, float]] = {
    "no effect": (0, 0, 0, 0),
    "at the margin": (0.01, 0.01, 0.01, 0.01),
    "tiny": (0.002, 0.002, 0.002, 0.002),
    "0.03 everywhere": (0.03, 0.03, 0.03, 0.03),
    "0.04 to 0.10": (0.10, 0.04, 0.10, 0.04),
    "0.10 or nothing, by architecture": (0.10, 0.0, 0.10, 0.0),
    "0.05 or -0.05, by architecture": (0.05, -0.05, 0.05, -0.05),
}
IOU_SPREAD, IOU_MARGIN = (0.03, 0.01, 0.005), 0.01


def verdict_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    """Which verdicts follow from four cells of a known truth, one claim alone."""
    for truth, effects in TRUTHS.items():
        for n in grid.networks:
            for j in grid.scenes[1:2]:
                rng = np.random.default_rng(draw_key(f"verdicts: {truth}", n, j))
                many = grid.few // 2
                cells = four_cells(rng, DISTRIBUTIONS["normal"], (many, n, j), IOU_SPREAD, effects)
                found = [
                    judge_ordering(pool(_nth(cells, i)), IOU_MARGIN).verdict for i in range(many)
                ]
                yield _shares("one claim", truth, n, j, found)


def family_rows(grid: Grid) -> Iterator[dict[str, Any]]:
    """Families of ten claims without any effect, one cell each: how often any of them is confirmed."""
    for n in grid.networks:
        rng = np.random.default_rng(draw_key("verdicts: family", n))
        many = grid.few // 2
        values = rng.normal(0, 0.03, (many, 10, n))
        verdicts = [
            judge_orderings(
                [pool([Cell(row, "cell", scenes=None)]) for row in family], [IOU_MARGIN] * 10
            )
            for family in values
        ]
        for word in (Verdict.CONFIRMED, Verdict.CONTRADICTED):
            hit = [any(j.verdict == word for j in family) for family in verdicts]
            found = [word if one else Verdict.INCONCLUSIVE for one in hit]
            yield _shares(f"any of ten claims {word}", "no effect", n, "", found)


def _shares(
    design: str, truth: str, n: int, j: int | str, found: Sequence[Verdict]
) -> dict[str, Any]:
    words = (
        *(Verdict.CONFIRMED, Verdict.CONTRADICTED, Verdict.DEPENDS),
        *(Verdict.NEGLIGIBLE, Verdict.INCONCLUSIVE),
    )
    shares = {str(word): sum(v == word for v in found) / len(found) for word in words}
    return {
        "design": design,
        "truth": truth,
        "networks": n,
        "scenes": j,
        **shares,
        "simulations": len(found),
    }


def _nth(cells: Sequence[Cell], i: int) -> list[Cell]:
    return [Cell(c.values[i], c.label, c.levels, c.networks, c.scenes) for c in cells]


def _each(rule: Callable[..., Any], sets: np.ndarray, *more: Any) -> list[list[float]]:
    """Ends of a bootstrap, data set by data set."""
    ends = [rule(values, *more, 500, [i]) for i, values in enumerate(sets)]
    return [[low for low, _ in ends], [high for _, high in ends]]


def _split(total: int, parts: int) -> list[int]:
    return [len(part) for part in np.array_split(np.arange(total), parts)]


def coverage_table(grid: Grid) -> pd.DataFrame:
    """Every interval in every setting of `grid`."""
    parts = (
        *(over_networks_rows, draws_rows, crossed_rows, uneven_rows, accuracy_rows),
        *(prediction_rows, proportion_rows, pooled_rows),
    )
    return pd.DataFrame([row for part in parts for row in part(grid)], columns=list(COLUMNS))


def verdict_table(grid: Grid) -> pd.DataFrame:
    """What the verdicts say of known truths."""
    return pd.DataFrame([*verdict_rows(grid), *family_rows(grid)])


def page_tables(folder: Path) -> dict[str, str]:
    """The tables of docs/statistics.md in Markdown by name, from the committed ones."""
    coverage = pd.read_csv(folder / "coverage.csv", keep_default_na=False)
    verdicts = pd.read_csv(folder / "verdicts.csv", keep_default_na=False)
    used = coverage[coverage["promise"] != RIVAL]
    return {
        "in use": _summary(used, ["interval", "data", "promise"]),
        "not in use": _summary(_rivals(coverage), ["rule", "interval", "data", "networks"]),
        "verdicts": _markdown(
            verdicts.drop(columns=["scenes", "simulations"]),
            {str(word): "{:.2f}" for word in Verdict},
        ),
        "margins": _markdown(
            pd.DataFrame(
                [(f"`{name}`", f"{m.size:g}", m.reason) for name, m in MARGINS.items()],
                columns=["score", "margin", "reason"],
            ),
            {},
        ),
    }


def _rivals(coverage: pd.DataFrame) -> pd.DataFrame:
    """The rows of rules that are not in use; on skewed data only the closest of them."""
    rows = coverage[coverage["promise"] == RIVAL]
    close = (rows["rule"] == "Satterthwaite") & (rows["data"] == "skewed")
    return rows[close | rows["data"].isin(["normal", "hits"])].sort_values(
        ["interval", "rule", "data", "networks"], kind="stable"
    )


def _summary(rows: pd.DataFrame, keys: list[str]) -> str:
    """Least and largest coverage, and how often the truth was missed on one side, over the settings."""
    groups = rows.groupby(keys, sort=False)
    inside = rows["coverage"].between(0.93, 0.97)
    table = pd.DataFrame(
        {
            "settings": groups.size(),
            "least": groups["coverage"].min(),
            "largest": groups["coverage"].max(),
            "within 93 to 97": inside.groupby([rows[key] for key in keys], sort=False).sum(),
            "above the truth, at most": groups["above_truth"].max(),
        }
    ).reset_index()
    shares = ["least", "largest", "above the truth, at most"]
    table[shares] *= 100
    return _markdown(table, dict.fromkeys(shares, "{:.1f} %"))


def _markdown(table: pd.DataFrame, formats: dict[str, str]) -> str:
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    for row in table.to_dict("records"):
        cells = [formats.get(name, "{}").format(value) for name, value in row.items()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def fill(page: str, tables: dict[str, str]) -> str:
    """`page` with each table between its marks, `<!-- table: NAME -->` and `<!-- end -->`."""
    for name, text in tables.items():
        start, _, rest = page.partition(f"<!-- table: {name} -->")
        _, _, after = rest.partition("<!-- end -->")
        page = f"{start}<!-- table: {name} -->\n{text}\n<!-- end -->{after}"
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/reference/statistics"))
    parser.add_argument("--page", type=Path, default=Path("docs/statistics.md"))
    parser.add_argument("--only-page", action="store_true", help="simulate nothing")
    args = parser.parse_args()
    if not args.only_page:
        args.out.mkdir(parents=True, exist_ok=True)
        grid = Grid()
        for name, table in (("coverage", coverage_table(grid)), ("verdicts", verdict_table(grid))):
            path = args.out / f"{name}.csv"
            table.to_csv(path, index=False, float_format="%.4f", lineterminator="\n")
    page = args.page.read_text(encoding="utf-8")
    args.page.write_text(fill(page, page_tables(args.out)), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
