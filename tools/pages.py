"""The pages whose numbers come from tables: docs/{claims,results,benchmark,speed}.md, README's findings.

    python tools/pages.py          # or: make pages

The claims of the committed runs are tabulated again first: a claim that was added, or judged by another
rule, has its row. Each page has a template in tools/templates, in which a number is a call that reads its
table, such as `{{ mean("default", "iou_auc", "auc", method="vebi") }}`. tests/unit/test_pages.py makes
the pages again and fails where a committed one differs: a number that drifted, or one that was typed.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from snakemake.utils import update_config

from vebi.benchmark.page import about, ahead_of, shown_ranks, shown_table
from vebi.benchmark.tables import ranks_of, wide_table
from vebi.catalogue.known import ADAPTED, KNOWN
from vebi.catalogue.measures import MEASURES, names_of
from vebi.claims.facts import facts_of
from vebi.claims.merge import merge, read_claims
from vebi.claims.show import claim_table, count_table, measured, published, reason
from vebi.claims.table import CLAIMS_TABLE
from vebi.claims.tabulate import tabulate
from vebi.config import parse_config
from vebi.data.an8flower.scene import get_flower_set
from vebi.figures.names import named
from vebi.io.tables import read_rows, write_table
from vebi.report.places import TABLES
from vebi.statistics import over_networks
from vebi.studies.interventions.tables import CLASS_PART

# In the order in which equal evidence counts.
RUNS = (
    *("default", "flowers", "flowers-single", "digits", "mnist", "robustness"),
    *("mcgill", "mcgill-matconvnet", "resampling", "photographs"),
)
# Not a run: times of `make bench`, which claims about speed rest on.
BENCH = "bench"
PAGES = {
    "docs/claims.md": "claims.md.j2",
    "docs/results.md": "results.md.j2",
    "docs/benchmark.md": "benchmark.md.j2",
    "docs/speed.md": "speed.md.j2",
}
START, END = "<!-- findings: made by tools/pages.py -->\n", "<!-- end -->\n"
# The section of docs/results.md that is about a table, by the start of its name.
SECTIONS = {
    "iou": "Overlap with exact masks (the paper's Fig. 8)",
    "robustness": "Overlap with exact masks (the paper's Fig. 8)",
    "artefacts": "Grid artefacts (Figs. 2 and 7), as a number",
    "gaps": "Gaps in digits (Fig. 6)",
    "ablation": "Removing features (4.1, Fig. 4)",
    "selection": "Removing features (4.1, Fig. 4)",
    "occlusion": "Covering what a map marks (4.2)",
    "mcgill": "The McGill report (MNIST; its Keras network reduced)",
    "resampling": "Input resampling (Lengerich et al. 2017)",
}
SELECTED, MATCHED = "selected", "random_layer_matched"


class Numbers:
    """What the templates may call: numbers of the committed runs, as text."""

    def __init__(self, reference: Path) -> None:
        self._reference = reference
        self.table = cache(self._read)
        self.claims = merge([(run, read_claims(reference / run)) for run in (*RUNS, BENCH)])

    def _read(self, run: str, table: str) -> pd.DataFrame:
        return read_rows(self._reference / run / "tables" / f"{table}.csv", TABLES[table])

    def rows(self, run: str, table: str, **equal: Any) -> pd.DataFrame:
        """Rows of a table whose columns have these values; at least one, or the page is wrong."""
        frame = self.table(run, table)
        for column, value in equal.items():
            frame = frame[frame[column] == value]
        if frame.empty:
            raise ValueError(f"{run}/{table}.csv has no row with {equal}.")
        return frame

    def mean(self, run: str, table: str, column: str, digits: int = 3, **equal: Any) -> str:
        """Mean of a column over these rows."""
        return f"{self.rows(run, table, **equal)[column].mean():.{digits}f}"

    def span(self, run: str, table: str, column: str, digits: int = 2, **equal: Any) -> str:
        """Smallest to largest mean over networks of these rows, by data set and model."""
        rows = self.rows(run, table, **equal)
        keys = [key for key in ("dataset", "model", "method") if key in rows]
        means = rows.groupby(keys)[column].mean()
        low, high = f"{means.min():.{digits}f}", f"{means.max():.{digits}f}"
        return low if low == high else f"{low} to {high}"

    def largest(self, run: str, table: str, column: str, form: str, **equal: Any) -> str:
        """The largest number of a column over these rows."""
        return format(self.rows(run, table, **equal)[column].max(), form)

    def paired(self, run: str, table: str, column: str, a: str, b: str, **equal: Any) -> str:
        """Difference of two methods over networks with its 95 % interval by Student's t."""
        first, second = (
            self.rows(run, table, method=method, **equal).groupby("seed")[column].mean()
            for method in (a, b)
        )
        return interval(first - second)

    def each(self, run: str, table: str, column: str, a: str, b: str, **equal: Any) -> str:
        """The difference of two methods in every network."""
        first, second = (
            self.rows(run, table, method=method, **equal).groupby("seed")[column].mean()
            for method in (a, b)
        )
        return ", ".join(f"{value:+.3f}" for value in first - second)

    def ranked(self, run: str, model: str, a: str, b: str) -> str:
        """Difference of two methods when maps are replaced by ranks, over networks and scenes."""
        row = self.rows(run, "iou_paired", model=model, method=a, reference=b).iloc[0]
        ends = f"{row['ranked_ci_low']:.3f} to {row['ranked_ci_high']:.3f}"
        return f"{row['ranked_difference']:+.3f} ({ends})"

    def networks(self, run: str, model: str) -> str:
        """Of how many networks a run has an architecture."""
        return str(self.rows(run, "training", model=model)["seed"].nunique())

    def covered(self, run: str, dataset: str, method: str) -> str:
        """Confidence under a method's boxes minus that under those of deconvnet with GB."""
        rows = self.rows(run, "occlusion", dataset=dataset)
        means = rows[rows["covered_fraction"] > 0].groupby(["method", "seed"])
        left = means["mean_confidence"].mean()
        return interval(left[method] - left["deconv_gb"])

    def per_pixel(self, run: str, method: str, where: str) -> str:
        """How much more of a map lies on a region than of one that is even over the image."""
        rows = self.rows(run, "distractors", method=method)
        return f"{rows[f'mass_on_{where}'].mean() / rows[f'area_{where}'].mean():.1f}"

    def used(self, dataset: str, model: str) -> dict[str, str]:
        """What changes in a scene do to networks, what boxes say of it, and what drives features."""
        keys = {"dataset": dataset, "model": model}
        changes = self.rows("benchmark", "interventions", **keys)
        drops = -changes.groupby(["part", "change"])["score_change"].mean()
        carriers = set(get_flower_set(dataset.removeprefix("an8flower-")).parts)
        others = drops.drop([CLASS_PART, *carriers, "other"], level="part", errors="ignore")
        boxes = self.rows("benchmark", "box_effects", **keys).groupby("box")
        features = self.rows("benchmark", "feature_parts", **keys, rank=1)
        carrier = features["class"].map(dict(enumerate(part_of_classes(dataset))))
        own = (features["part"] == carrier).groupby(features["seed"]).mean()
        return {
            "neutral": f"{drops[CLASS_PART, 'neutral']:.1f}",
            "removed": f"{drops[CLASS_PART, 'removed']:.1f}",
            "other": f"{others.abs().max():.1f} ({' '.join(others.abs().idxmax())})",
            **{
                box: f"{rows['rank_correlation'].mean():.2f}, {100 * rows['disagreement'].mean():.0f} %"
                for box, rows in boxes
            },
            "features": f"{100 * own.mean():.0f} % of {len(features)}",
        }

    def settings(self, comparison: str, verdict: str) -> str:
        """In how many settings of the study of robustness a comparison has a verdict."""
        rows = self.rows("robustness", "robustness_summary", comparison=comparison, factor="all")
        row = rows.to_dict("records")[0]
        return f"{row[f'n_{verdict}']} of {row['n_settings']}"

    def robust(self, comparison: str, model: str) -> str:
        """Smallest and largest difference over the settings of one network."""
        rows = self.rows("robustness", "robustness", comparison=comparison, model=model)
        values = rows["mean_difference"]
        return f"{values.min():.3f} and {values.max():.3f}"

    def tipping(self, column: str) -> str:
        """Shares of the filters over the Keras networks, in percent; those never reached count as all."""
        rows = self.rows("mcgill", "mcgill_verdict")
        shares = 100 * rows[rows["model"].str.startswith("keras")][column]
        return f"{shares.min():.0f} to {shares.max():.0f} %"

    def left(self, model: str, mu: float, column: str, digits: int = 2) -> str:
        """A number of the report's removal under the exact selection."""
        variant = "conv/annotations/test/partial/layer_matched"
        keys = {"model": model, "mu": mu, "variant": variant, "solver": "path"}
        return self.mean("mcgill", "mcgill_keras", column, digits, **keys)

    def dropped(self, solver: str) -> str:
        """Filters that the MatConvNet network loses at the printed mu."""
        keys = {"model": "matconvnet", "labels": "predictions", "scope": "all", "solver": solver}
        return ", ".join(
            self.mean("mcgill-matconvnet", "mcgill_solvers", "n_features", 1, **keys, mu=mu)
            for mu in (10, 100, 200)
        )

    def gap(self, mu: float) -> str:
        """The largest relative gap of spgl1 at this mu, of any network and class."""
        keys = {"model": "matconvnet", "labels": "predictions", "scope": "all"}
        return self.largest(
            "mcgill-matconvnet",
            "mcgill_solvers",
            "relative_gap",
            ".2f",
            **keys,
            solver="spgl1_1000",
            mu=mu,
        )

    def agreeing(self) -> str:
        """In how many pairs of seeds the selected sets agree more than chance within layers."""
        rows = self.rows("mcgill", "mcgill_invariance", model="matconvnet", comparison="other_seed")
        return f"{int((rows['p_value_per_layer'] < 0.05).sum())} of {len(rows)}"

    def held(self, claim: str, model: str) -> str:
        """`k / r of n` comparisons that hold, and that are reversed. Uniform draws repeat active ones."""
        rows = self.rows("resampling", "resampling_claims", claim=claim, model=model)
        words = rows[rows["reference"] != "random"]["verdict"]
        return f"{(words == 'holds').sum()} / {(words == 'reversed').sum()} of {len(words)}"

    def overlap(self, model: str) -> str:
        """Similarity of both selections after the first and the last epoch that was measured, mean."""
        keys = {"model": model, "layer": "all", "k": 5, "perturbation": "multiplicative_noise"}
        rows = self.rows("resampling", "resampling_similarity", **keys)
        first, last = rows.groupby("epoch")["published"].mean().iloc[[0, -1]]
        return f"{first:.3f} to {last:.3f}"

    def removal(self, run: str, dataset: str, mu: float) -> dict[str, str]:
        """What removing the features selected at mu from all layers does, as a row of the page."""
        rows = self.rows(run, "ablation", dataset=dataset)
        whole = rows[rows["condition"] == "none"]["mean_class_accuracy"].mean()
        rows = rows[(rows["mu"] == mu) & (rows["scope"] == "all")]
        left = {
            condition: group.groupby("seed")["mean_class_accuracy"].mean()
            for condition, group in rows.groupby("condition")
        }
        removed = rows[rows["condition"] == SELECTED]["n_ablated"].mean()
        return {
            "whole": f"{whole:.3f}",
            "selected": f"{left[SELECTED].mean():.3f} ({removed:.0f})",
            "matched": f"{left[MATCHED].mean():.3f}",
            "difference": interval(left[MATCHED] - left[SELECTED], 2),
        }

    def rival(self, dataset: str, measure: str, ranking: str, digits: int = 2) -> str:
        """What the features of a ranking give, mean over networks."""
        keys = {"dataset": dataset, "measure": measure, "ranking": ranking}
        rows = self.rows("default", "selection_rival_effects", **keys)
        return f"{rows['mean'].iloc[0]:.{digits}f}"

    def against(self, dataset: str, measure: str, ranking: str, reference: str) -> str:
        """The difference of two rankings with its 95 % interval over networks and scenes."""
        keys = {"measure": measure, "ranking": ranking, "reference": reference}
        rows = self.rows("default", "selection_rival_effects", dataset=dataset, **keys)
        row = rows.to_dict("records")[0]
        return f"{row['difference']:+.2f} ({row['ci_low']:.2f} to {row['ci_high']:.2f})"

    def claim(self, claim_id: str, what: str = "measured") -> str:
        """Of a claim: our number with its interval (`measured`), the verdict, the printed number."""
        rows = self.claims[self.claims["claim_id"] == claim_id]
        if rows.empty:
            raise ValueError(f"There is no claim '{claim_id}'.")
        row = rows.to_dict("records")[0]
        shown: dict[str, Callable[[Any], str]] = {
            "measured": measured,
            "published": published,
            "reason": reason,
        }
        return shown[what](row) if what in shown else str(row[what])

    def with_verdict(self, *verdicts: str) -> list[dict[str, str]]:
        """The claims that came to any of these verdicts, each as text."""
        rows = self.claims[self.claims["verdict"].isin(verdicts)].to_dict("records")
        return [
            {
                "statement": row["statement"],
                "source": row["source"],
                "place": f"{row['source']}, {row['place'].split(':')[0]}",
                "anchor": anchor(row["tables"].split()[0]),
                "published": published(row),
                "measured": measured(row),
                "reason": reason(row),
                "compared": row["comparability"],
            }
            for row in rows
        ]

    def number_of(self, *verdicts: str) -> int:
        """How many claims came to any of these verdicts."""
        return int(self.claims["verdict"].isin(verdicts).sum())

    def undecided(self, problem: str) -> int:
        """How many claims are inconclusive for this reason."""
        claims = self.claims[self.claims["verdict"] == "inconclusive"]
        return int((claims["problem"] == problem).sum())


class Benchmark:
    """What the template of docs/benchmark.md may call of one data set: its scores, as text."""

    def __init__(self, dataset: str, rows: pd.DataFrame) -> None:
        table, ranks = wide_table(rows), ranks_of(rows)
        self.dataset = dataset
        self.models = list(table["model"].unique())
        self._tables = {model: table[table["model"] == model] for model in self.models}
        self._ranks = {model: ranks[ranks["model"] == model] for model in self.models}
        self.n_networks = table["n_networks"].min()

    def about(self, model: str) -> str:
        """Images, scenes, and what the intervals range over."""
        return about(self._tables[model])

    def values(self, model: str, *groups: str) -> str:
        """A table of the measures of some groups, with intervals."""
        return markdown(shown_table(self._tables[model], names_of(*groups)))

    def ranks(self, model: str, *groups: str) -> str:
        """Ranks with intervals among the methods."""
        table, ranks = self._tables[model], self._ranks[model]
        methods = table[table["kind"] == "known"]["method"]
        of_groups = ranks[ranks["measure"].isin(names_of(*groups))]
        return markdown(shown_ranks(of_groups, list(methods)))

    def first(self, model: str, measure: str) -> str:
        """The first method by a measure, how often it is, and those that can't be told from it."""
        rows = self._ranks[model]
        rows = rows[(rows["measure"] == measure) & ~rows["differs"]].sort_values("rank")
        names = [f"`{name}`" for name in rows["method"]]
        if not names:
            return "-"
        names[0] += f" ({100 * rows['best'].iloc[0]:.0f} %)"
        return ", not told from it: ".join([names[0], ", ".join(names[1:])][: len(names)])

    def ahead(self, model: str, control: str, measure: str) -> str:
        """`3 of 16`: how many methods a control is ahead of."""
        behind = ahead_of(self._tables[model], control, measure)
        known = self._tables[model]
        n = int(known.loc[known["kind"] == "known", measure].notna().sum())
        return "-" if behind is None else f"{len(behind)} of {n}"

    def is_mostly_ahead(self, model: str, control: str, measure: str) -> bool | None:
        """Whether a control is ahead of most methods; None where it has no value."""
        table = self._tables[model]
        behind = ahead_of(table, control, measure)
        n = int(table.loc[table["kind"] == "known", measure].notna().sum())
        return None if behind is None else 2 * len(behind) > n


def mostly_ahead(benchmarks: Sequence[Benchmark], control: str) -> str:
    """The measures by which a control is ahead of most methods, and on how many kinds of networks."""
    found = []
    for name, measure in MEASURES.items():
        known = [
            one.is_mostly_ahead(model, control, name) for one in benchmarks for model in one.models
        ]
        given = [ahead for ahead in known if ahead is not None]
        if won := sum(given):
            found.append(f"{measure.title} (in {won} of {len(given)} tables)")
    return "; ".join(found) or "none"


def markdown(frame: pd.DataFrame) -> str:
    """A table of texts as Markdown; names of methods as code, an interval on one line."""
    rows = [
        [
            f"`{row.iloc[0]}`",
            *(re.sub(r"(?<=\d) to (?=\d)", "&nbsp;to&nbsp;", str(value)) for value in row.iloc[1:]),
        ]
        for _, row in frame.iterrows()
    ]
    lines = [list(frame.columns), ["---"] * len(frame.columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


class Speed:
    """What the page about speed may call: rows of results/reference/bench/summary.csv, as text."""

    def __init__(self, reference: Path) -> None:
        self._rows = pd.read_csv(reference / "bench/summary.csv", keep_default_na=False)

    def table(self, area: str) -> str:
        """The rows of one area, in the order in which they were measured; missed goals in bold."""
        lines = ["| work | peer | ours | peer's | ratio | goal |", "|---|---|---|---|---|---|"]
        for row in self._rows[self._rows["area"] == area].itertuples():
            peer = f"{row.peer_tool} ({row.note})" if row.note else row.peer_tool
            ratio = readable(float(str(row.ratio)))
            goal = f"{float(str(row.goal)):.2g}{'' if row.met else ', **missed**'}"
            lines.append(f"| {row.work} | {peer} | {row.ours} | {row.peer} | {ratio} | {goal} |")
        return "\n".join(lines)

    def met(self, area: str, work: str = "", peer: str = "") -> str:
        """`3 of 4`: how many rows reach their goal."""
        rows = self._chosen(area, work, peer)
        return f"{int(rows['met'].sum())} of {len(rows)}"

    def ours(self, area: str, work: str, peer: str = "") -> str:
        """What ours needs, as the only row that fits says."""
        (text,) = self._chosen(area, work, peer)["ours"].unique()
        return str(text)

    def _chosen(self, area: str, work: str, peer: str) -> pd.DataFrame:
        rows = self._rows[self._rows["area"] == area]
        has = [
            work in one and peer in two
            for one, two in zip(rows["work"], rows["peer_tool"], strict=True)
        ]
        if not any(has):
            raise KeyError(f"no row of {area} about '{work}' and '{peer}' in bench/summary.csv")
        return rows[has]


def readable(ratio: float) -> str:
    """Two significant digits, as 0.89, 1.1 and 11,000."""
    return f"{float(f'{ratio:.2g}'):,.10g}"


def part_of_classes(dataset: str) -> list[str]:
    """The part that carries each class of a rendered set, in label order."""
    chosen = get_flower_set(dataset.removeprefix("an8flower-"))
    return [part for part in chosen.parts for _ in chosen.values]


def anchor(table: str) -> str:
    """The link to the section of docs/results.md about a table."""
    heading = SECTIONS[table.split("_")[0]].lower()
    return "#" + re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")


def interval(values: pd.Series, digits: int = 3) -> str:
    """`+0.091 (0.030 to 0.152)`: mean and 95 % interval over networks."""
    found = over_networks(values.to_numpy(float))
    ends = f"{found.low:.{digits}f} to {found.high:.{digits}f}"
    return f"{found.value:+.{digits}f} ({ends})"


def pages(root: Path) -> dict[str, str]:
    """Every page by its path in the repository, with its text."""
    numbers = Numbers(root / "results/reference")
    configs = configurations(root)
    shown = (item for run in RUNS for item in configs[run]["shown_as"].items())
    with named(dict(shown)):
        return render(root, numbers)


def render(root: Path, numbers: Numbers) -> dict[str, str]:
    """Every page, with the names of data sets and networks that hold where it is called."""
    environment = Environment(
        loader=FileSystemLoader(root / "tools/templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    public = (name for name in dir(numbers) if not name.startswith("_"))
    environment.globals |= {name: getattr(numbers, name) for name in public}
    environment.globals |= {
        "benchmarks": [
            Benchmark(str(dataset), rows)
            for dataset, rows in numbers.table("benchmark", "benchmark").groupby("dataset")
        ],
        "mostly_ahead": mostly_ahead,
        "MEASURES": MEASURES,
        "ADAPTED": ADAPTED,
        "KNOWN": KNOWN,
        "n_claims": len(numbers.claims),
        "count_table": count_table(numbers.claims).strip(),
        "claim_table": claim_table(numbers.claims).strip(),
        "speed": Speed(root / "results/reference"),
    }
    made = {path: environment.get_template(name).render() for path, name in PAGES.items()}
    readme = (root / "README.md").read_text(encoding="utf-8")
    head, _, rest = readme.partition(START)
    _, _, tail = rest.partition(END)
    findings = environment.get_template("findings.md.j2").render()
    return {**made, "README.md": f"{head}{START}{findings}{END}{tail}"}


def configurations(root: Path) -> dict[str, dict[str, Any]]:
    """Every configuration of the repository by the name of its run, each on top of the default one."""
    default = yaml.safe_load((root / "config/config.yaml").read_text(encoding="utf-8"))
    found = {}
    for path in sorted((root / "config").glob("*.yaml")):
        config = deepcopy(default)
        update_config(config, yaml.safe_load(path.read_text(encoding="utf-8")))
        found[config["run"]] = config
    return found


def retabulate(root: Path) -> None:
    """Write claims.csv of every committed run from its tables and its configuration, and the bench's."""
    reference = root / "results/reference"
    configs = configurations(root)
    times = {"explain": reference / BENCH / "explain.csv"}
    claims = tabulate(times, facts_of(parse_config(configs["default"])))
    write_table(reference / BENCH / "claims.csv", claims, CLAIMS_TABLE)
    for config in configs.values():
        folder = reference / config["run"] / "tables"
        files = {table.stem: table for table in folder.glob("*.csv") if table.stem != "claims"}
        if files:
            claims = tabulate(files, facts_of(parse_config(config)))
            write_table(folder / "claims.csv", claims, CLAIMS_TABLE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path())
    root = parser.parse_args().root
    retabulate(root)
    for path, text in pages(root).items():
        (root / path).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
