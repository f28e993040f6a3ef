"""Input resampling (Lengerich et al. 2017): influence, transfer, patches, and how alike both sets are."""

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from vebi.claims.cells import Numbers
from vebi.claims.claim import Claim, Found, Source
from vebi.claims.rules import ORDER, VALUE, Rule
from vebi.claims.run import Run

SOURCE = "Input resampling"
# The work's own perturbation; the verdicts are about it, the note tells of ours.
PERTURBATION = "multiplicative_noise"
DATA = "inria-person"
ROUNDING = 0.005
PATCHES = {"network": 0.89, "precision": 0.85, "correlation": 0.81}
PATCH_NAMES = {
    "network": "the whole network on whole images",
    "precision": "patches of precise channels",
    "correlation": "patches of correlated channels",
}
PLACES = {
    "patches": "Classifier on the channels' patches",
    "similarity": "Overlap of both sets over the epochs",
}
SIMILARITY = (0.16, 0.40)
NEEDS = "section resampling with multiplicative_noise: config/config.yaml"
NEEDS_EPOCHS = "section resampling with an epoch_study: config/config.yaml"
NEEDS_DATA = "INRIA Person in $VEBI_DATA: config/paper.yaml"
REFERENCES = {
    "random_active": "random active ones",
    "precision": "precise ones",
    "correlation": "correlated ones",
}
RUN_KEYS = ["dataset", "model", "seed"]


def _together(numbers: Sequence[Numbers]) -> tuple[Numbers, ...]:
    """`numbers` of the experiments; as one experiment where each has a single network.

    One network says nothing about others of its kind, but several experiments of one network each
    are a sample of networks and data sets.
    """
    if len(numbers) < 2 or any(len(one.values) > 1 for one in numbers):
        return tuple(numbers)
    values = [one.values.iloc[0] for one in numbers]
    label = f"{len(numbers)} experiments of one network each"
    return (Numbers(label, pd.Series(values, dtype=float)),)


def _by_experiment(frame: pd.DataFrame, column: str) -> tuple[Numbers, ...]:
    """The numbers of `column`, rows of one network each, by data set and model."""
    found = []
    for (dataset, model), rows in frame.groupby(["dataset", "model"], sort=False):
        label, levels = f"{dataset}, {model}", {"data set": str(dataset), "network": str(model)}
        found.append(Numbers(label, rows.set_index("seed")[column].astype(float), levels, label))
    return _together(found)


def _per_experiment(numbers: Sequence[Numbers], frame: pd.DataFrame, column: str) -> str:
    """Every network's number in words, where they stand together as one experiment."""
    if len(numbers) != 1 or len(frame) < 2 or len(frame.groupby(["dataset", "model"])) < 2:
        return ""
    rows = frame.to_dict("records")
    return "; ".join(f"{row['dataset']}, {row['model']} {row[column]:.3f}" for row in rows)


def _found(frame: pd.DataFrame, column: str, source: Source, note: str = "") -> Found | None:
    if frame.empty:
        return None
    numbers = _by_experiment(frame, column)
    each = _per_experiment(numbers, frame, column)
    return Found(numbers, (source,), note=". ".join(text for text in (each, note) if text))


def _study(claim: str, reference: str, run: Run) -> Found | None:
    rows = run.rows("resampling_claims", claim=claim, reference=reference)
    others = rows[rows["perturbation"] != PERTURBATION]["verdict"]
    note = f"our other perturbations: holds in {(others == 'holds').sum()} of {len(others)} comparisons"
    note += f", reversed in {(others == 'reversed').sum()}"
    source = Source(("resampling_claims",), f"{PERTURBATION}, {claim}, {reference}")
    own = rows[rows["perturbation"] == PERTURBATION]
    return _found(own, "difference", source, note if len(others) else "")


def _last_patches(run: Run, metric: str) -> pd.DataFrame:
    """Rows of the trained networks' patches, by data set, model and seed."""
    rows = run.rows("resampling", layer="all", metric=metric, perturbation=PERTURBATION)
    rows = rows.dropna(subset=["patch_accuracy"]).sort_values("epoch")
    return rows.groupby(RUN_KEYS).tail(1).set_index(RUN_KEYS)


def _patch_value(metric: str, run: Run) -> Found | None:
    for place in run.places([DATA])[:1]:
        rows = _last_patches(run, metric).reset_index()
        values = rows[(rows["dataset"] == place["dataset"]) & (rows["model"] == place["model"])]
        source = Source(("resampling",), f"{place['dataset']}, {metric}, last epoch measured")
        return _found(values, "patch_accuracy", source)
    return None


def _patch_order(metric: str, reference: str, run: Run) -> Found | None:
    first, second = _last_patches(run, metric), _last_patches(run, reference)
    difference = (first["patch_accuracy"] - second["patch_accuracy"]).dropna().reset_index()
    source = Source(("resampling",), f"{metric} against {reference}, last epoch measured")
    return _found(difference, "patch_accuracy", source)


def _similarities(run: Run) -> pd.DataFrame:
    """Similarity of both sets after the first and after the last epoch, a row per network."""
    rows = run.rows("resampling_similarity", layer="all", perturbation=PERTURBATION)
    rows = rows[rows["k"] == rows["k"].max()] if 5 not in set(rows["k"]) else rows[rows["k"] == 5]
    ordered = rows.sort_values("epoch").groupby(RUN_KEYS)["published"]
    return pd.DataFrame({"first": ordered.first(), "last": ordered.last()}).reset_index()


def _similarity(when: str, run: Run) -> Found | None:
    for place in run.places([DATA])[:1]:
        rows = _similarities(run)
        values = rows[(rows["dataset"] == place["dataset"]) & (rows["model"] == place["model"])]
        source = Source(("resampling_similarity",), f"{place['dataset']}, all, {when} epoch")
        return _found(values, when, source)
    return None


def _growth(run: Run) -> Found | None:
    rows = _similarities(run)
    rows = rows.assign(growth=rows["last"] - rows["first"]).dropna(subset=["growth"])
    source = Source(("resampling_similarity",), "all, last epoch measured against first")
    return _found(rows, "growth", source)


def _claim(
    name: str,
    statement: str,
    published: float | None,
    measure: Callable[[Run], Found | None],
    *,
    rule: Rule = ORDER,
    score: str = "",
) -> Claim:
    """A claim of the work. A printed number is compared on its own data only, its sign on any."""
    place = PLACES.get(name.partition(".")[0], "Abstract: what is selected")
    needs = NEEDS if published is None else NEEDS_DATA if rule is VALUE else NEEDS_EPOCHS
    return Claim(
        *(f"resampling.{name}", SOURCE, place, statement, published, rule, measure, needs),
        rounding=ROUNDING if rule is VALUE else 0.0,
        score=score,
    )


def _study_claims() -> list[Claim]:
    words = {
        "correlation_influences": "Correlated channels influence the output more than",
        "precision_generalises": "Precise channels fire on more images of the class than",
    }
    pairs = [
        (claim, reference)
        for claim in words
        for reference in ("random_active", "precision" if "corr" in claim else "correlation")
    ]
    return [
        _claim(
            f"{claim}.{other}",
            f"{words[claim]} {REFERENCES[other]}",
            None,
            partial(_study, claim, other),
        )
        for claim, other in pairs
    ]


def _patch_claims() -> list[Claim]:
    values = [
        _claim(
            f"patches.{metric}",
            f"INRIA Person, test accuracy: {PATCH_NAMES[metric]}",
            published,
            partial(_patch_value, metric),
            rule=VALUE,
            score="accuracy",
        )
        for metric, published in PATCHES.items()
    ]
    orders = [
        _claim(
            f"patches.{metric}-over-{reference}",
            f"Test accuracy: {PATCH_NAMES[metric]} above {PATCH_NAMES[reference]}",
            round(PATCHES[metric] - PATCHES[reference], 2),
            partial(_patch_order, metric, reference),
            score="accuracy",
        )
        for metric, reference in (("network", "precision"), ("precision", "correlation"))
    ]
    return values + orders


def _similarity_claims() -> list[Claim]:
    values = [
        _claim(
            f"similarity.{when}",
            f"INRIA Person: similarity after the {when} epoch (half of Dice's coefficient)",
            published,
            partial(_similarity, when),
            rule=VALUE,
        )
        for when, published in zip(("first", "last"), SIMILARITY, strict=True)
    ]
    growth = _claim(
        "similarity.grows",
        "The similarity of both sets grows while the network is trained",
        round(SIMILARITY[1] - SIMILARITY[0], 2),
        _growth,
    )
    return [*values, growth]


CLAIMS: tuple[Claim, ...] = (*_study_claims(), *_patch_claims(), *_similarity_claims())
