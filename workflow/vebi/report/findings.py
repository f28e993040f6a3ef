"""What came out of each study, in a few lines that are computed from its tables."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from vebi.catalogue.methods import CHANCE, DRAWN, METHODS, OURS, PEER, Method
from vebi.figures.names import name_of
from vebi.statistics import ALPHA, Ordering, judge_difference
from vebi.studies.robustness.comparisons import say_comparison

Tables = Mapping[str, pd.DataFrame]
Tone = Ordering | Literal["in part", ""]
PAPER_MU = 10.0
UPSAMPLED = METHODS["upsampled_activation"]
SCOPES = {"all": "features of all layers", "conv": "where only convolutions may be chosen"}


@dataclass(frozen=True)
class Finding:
    """A statement, where it was looked at, what was measured there, and how it went ('': a fact)."""

    statement: str
    place: str
    result: str
    tone: Tone = ""


def find(study: str, tables: Tables) -> list[Finding]:
    """The findings of a study from the tables of the run, none where it has no table for them."""
    return [
        finding
        for needed, function in FINDERS.get(study, ())
        if needed in tables and len(tables[needed])
        for finding in function(tables[needed])
    ]


def _interval(value: float, low: float, high: float) -> str:
    middle = _signed(value)
    return (
        middle if pd.isna(low) or pd.isna(high) else f"{middle} ({_signed(low)} to {_signed(high)})"
    )


def _ordering(row: Mapping[str, Any], sign: int = 1) -> Ordering:
    """Whether the difference of a row has the claimed `sign`, by its interval and its p-value together.

    Few scenes give an interval that is too narrow, down to no width for one: the permutation test's
    p-value, where the table has one, must say the same.
    """
    low, high = sorted((sign * row["ci_low"], sign * row["ci_high"]))
    p_value = row.get("p_value", 0.0)
    # A p-value that could not be computed is none below the level.
    return judge_difference(low, high) if low < high and p_value < ALPHA else "undecided"


def _test(row: Mapping[str, Any]) -> str:
    """The p-value, where it is why nothing is decided though the interval leaves out zero."""
    p_value = row.get("p_value", 0.0)
    decides = judge_difference(row["ci_low"], row["ci_high"]) != "undecided"
    return f"; p = {p_value:.2g}" if decides and p_value >= ALPHA else ""


def _over(row: Mapping[str, Any]) -> str:
    """What the interval of a row ranges over, in words; "" where its table does not say."""
    over = row.get("over")
    return f", over {over}" if isinstance(over, str) and over else ""


def _signed(value: float) -> str:
    """Three decimals with a sign; a rounded zero has none."""
    text = f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")
    return text[1:] if text[1:] == "0.000" else text


def _tone(good: int, bad: int, total: int) -> Tone:
    """Of an ordering that holds in `good` of `total` settings and is reversed in `bad`."""
    if good:
        return "holds" if good == total else "in part"
    return "reversed" if bad else "undecided"


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _places(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each experiment's rows; the model is named only where a data set has several."""
    models = table.groupby("dataset")["model"].nunique().to_dict()
    for (dataset, model), part in table.groupby(["dataset", "model"], sort=True):
        names = [name_of(str(dataset)), *([name_of(str(model))] if models[dataset] > 1 else [])]
        yield ", ".join(names), part


def _training(table: pd.DataFrame) -> Iterator[Finding]:
    for place, part in _places(table):
        low, high = part["test_accuracy"].min(), part["test_accuracy"].max()
        span = f"{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f}"
        networks = "1 network" if len(part) == 1 else f"{len(part)} networks"
        images = f"{int(part['n_test'].iloc[0]):,} test images"
        yield Finding("Test accuracy", place, f"{span}, {networks}, {images}")


def _counts(table: pd.DataFrame) -> Iterator[Finding]:
    mus = sorted(table["mu"].unique())
    mu = PAPER_MU if PAPER_MU in mus else mus[-1]
    for place, part in _places(table[table["mu"] == mu]):
        sizes = [
            f"{row['n_features_mean']:.0f} {SCOPES[str(row['scope'])]}"
            for row in _rows(part.sort_values("scope"))
        ]
        yield Finding(f"Selected at mu = {mu:g}, all classes together", place, ", ".join(sizes))


def _certificates(table: pd.DataFrame) -> Iterator[Finding]:
    worst = table["relative_gap"].max()
    yield Finding(
        "Largest relative duality gap of any selection",
        "all",
        f"{worst:.0e} (0 is the exact optimum)",
    )


def _ablation(table: pd.DataFrame) -> Iterator[Finding]:
    part = table[(table["scope"] == "all") & (table["control"] == "random_layer_matched")]
    statement = "Selected features cost more accuracy than as many random ones of the same layers"
    for place, rows in _places(part):
        tones = [_ordering(row) for row in _rows(rows)]
        good, bad = tones.count("holds"), tones.count("reversed")
        text = f"at {good} of {len(tones)} values of mu"
        text += f", the other way round at {bad}" if bad else ""
        at_paper = rows[rows["mu"] == PAPER_MU]
        if len(at_paper):
            row = _rows(at_paper)[0]
            difference = _interval(row["difference"], row["ci_low"], row["ci_high"])
            text += f"; at mu = {PAPER_MU:g}: {difference}{_over(row)}{_test(row)}"
        yield Finding(statement, place, text, _tone(good, bad, len(tones)))


def _paired(
    statement: str, reference: Method, column: str, unit: str, *, sign: int = 1
) -> Callable[[pd.DataFrame], Iterator[Finding]]:
    """Finder of a claimed difference between VEBI and a reference, which should have the given sign.

    `statement` names the reference as {reference}.
    """
    claimed = statement.format(reference=reference.label)

    def finder(table: pd.DataFrame) -> Iterator[Finding]:
        part = table[(table["method"] == OURS.name) & (table["reference"] == reference.name)]
        if "layer" in part:
            part = part[part["layer"] == "heatmap"]
        for place, rows in _places(part):
            row = _rows(rows)[0]
            difference = _interval(row[column], row["ci_low"], row["ci_high"])
            result = f"{difference} {unit}{_over(row)}{_test(row)}"
            yield Finding(claimed, place, result, _ordering(row, sign))

    return finder


def _best_methods(table: pd.DataFrame) -> Iterator[Finding]:
    for place, part in _places(table[table["method"] != CHANCE.name]):
        for column, name in (
            ("relevance_mass", "Largest share of the map on the mask"),
            ("pointing", "Strongest pixel on the mask most often"),
        ):
            means = part.groupby("method", sort=True)[column].mean()
            if means.notna().any():
                best = str(means.idxmax())
                ours = OURS.name in means and best != OURS.name
                text = f"; VEBI {means[OURS.name]:.2f}" if ours else ""
                yield Finding(name, place, f"{DRAWN[best].label}, {means.max():.2f}{text}")


def _distractors(table: pd.DataFrame) -> Iterator[Finding]:
    for place, part in _places(table[table["method"] != CHANCE.name]):
        means = part.groupby("method", sort=True)["mass_on_distractors"].mean()
        area = part["area_distractors"].mean()
        text = f"{means.max():.1%} of the map ({DRAWN[str(means.idxmax())].label})"
        yield Finding(
            "Most that any method puts on distractors",
            place,
            f"{text}; they are {area:.1%} of the image",
        )


def _sanity(table: pd.DataFrame) -> Iterator[Finding]:
    for method in [name for name, one in METHODS.items() if one.in_findings]:
        for place, part in _places(table[table["method"] == method]):
            row = part.iloc[0]
            correlation = f"correlation {row['correlation_all']:.2f} when all weights are random"
            yield Finding(DRAWN[method].label, place, f"{row['verdict']}; {correlation}")


def _robustness(table: pd.DataFrame) -> Iterator[Finding]:
    for row in _rows(table[table["factor"] == "all"]):
        good, bad, total = row["n_holds"], row["n_reversed"], row["n_settings"]
        text = f"holds in {good} of {total} settings, reversed in {bad}"
        statement = say_comparison(str(row["comparison"]))
        yield Finding(statement, "all settings", text, _tone(good, bad, total))


def _mcgill(table: pd.DataFrame) -> Iterator[Finding]:
    for row in _rows(table):
        place = name_of(str(row["model"])) + " (reduced)" * bool(row["reduced"])
        yield Finding("Is the tipping point the network's?", place, str(row["conclusion"]))


RESAMPLING_CLAIMS = {
    "correlation_influences": "Channels chosen by correlation influence the output more than",
    "correlation_is_specific": "Channels chosen by correlation are more specific to the class than",
    "precision_generalises": "Channels chosen by precision fire on more of the class than",
    "relative_precision_generalises": (
        "Channels chosen by precision relative to their activation fire on more of the class than"
    ),
}
RESAMPLING_NAMES = {
    "precision": "those chosen by precision",
    "correlation": "those chosen by correlation",
    "random": "random ones",
    "random_active": "random active ones",
}


def _resampling(table: pd.DataFrame) -> Iterator[Finding]:
    for (claim, reference), group in table.groupby(["claim", "reference"], sort=True):
        reference_name = RESAMPLING_NAMES.get(str(reference), str(reference))
        statement = f"{RESAMPLING_CLAIMS.get(str(claim), claim)} {reference_name}"
        for place, part in _places(group):
            counts = part["verdict"].value_counts()
            good, bad = int(counts.get("holds", 0)), int(counts.get("reversed", 0))
            text = f"with {good} of {len(part)} perturbations, reversed with {bad}"
            yield Finding(statement, place, text, _tone(good, bad, len(part)))


FINDERS: dict[str, tuple[tuple[str, Callable[[pd.DataFrame], Iterator[Finding]]], ...]] = {
    "networks": (("training", _training),),
    "selection": (("selection_seeds", _counts), ("selection", _certificates)),
    "ablation": (("ablation_effect", _ablation),),
    "iou": (
        (
            "iou_paired",
            _paired(
                "VEBI lies better on the mask than {reference}",
                *(PEER, "auc_difference", "in area under the IoU curve"),
            ),
        ),
        (
            "iou_paired",
            _paired(
                "VEBI lies better on the mask than {reference}",
                *(UPSAMPLED, "auc_difference", "in area under the IoU curve"),
            ),
        ),
        ("localisation", _best_methods),
        ("distractors", _distractors),
    ),
    "artefacts": (
        (
            "artefacts_paired",
            _paired(
                "VEBI's maps have less grid than those of {reference}",
                *(PEER, "score_difference", "in grid-artefact score"),
                sign=-1,
            ),
        ),
    ),
    "occlusion": (
        (
            "occlusion_paired",
            _paired(
                "What VEBI marks matters more than what {reference} marks",
                *(PEER, "difference", "in confidence under the boxes"),
                sign=-1,
            ),
        ),
    ),
    "sanity": (("sanity_verdict", _sanity),),
    "robustness": (("robustness_summary", _robustness),),
    "mcgill": (("mcgill_verdict", _mcgill),),
    "perturbation": (("resampling_claims", _resampling),),
}
