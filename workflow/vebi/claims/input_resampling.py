"""Input resampling (Lengerich et al. 2017): influence, transfer, patches, and how alike both sets are."""

from functools import partial

import numpy as np
import pandas as pd

from vebi.claims.claim import ORDER, VALUE, Claim, Found, Part, Source
from vebi.claims.run import Run, difference_interval

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


def _study(claim: str, reference: str, run: Run) -> Found | None:
    rows = run.rows("resampling_claims", claim=claim, reference=reference)
    own = rows[rows["perturbation"] == PERTURBATION]
    if own.empty:
        return None
    parts = tuple(
        Part(
            f"{row['dataset']}, {row['model']}, seed {row['seed']}",
            row["difference"],
            row["ci_low"],
            row["ci_high"],
        )
        for row in own.to_dict("records")
    )
    others = rows[rows["perturbation"] != PERTURBATION]["verdict"]
    note = f"our other perturbations: holds in {(others == 'holds').sum()} of {len(others)} comparisons"
    note += f", reversed in {(others == 'reversed').sum()}"
    source = Source(("resampling_claims",), f"{PERTURBATION}, {claim}, {reference}")
    return Found(parts, (source,), note if len(others) else "", len(parts))


def _last_patches(run: Run, metric: str) -> pd.DataFrame:
    """Rows of the trained networks' patches, by data set, model and seed."""
    rows = run.rows("resampling", layer="all", metric=metric, perturbation=PERTURBATION)
    rows = rows.dropna(subset=["patch_accuracy"]).sort_values("epoch")
    return rows.groupby(RUN_KEYS).tail(1).set_index(RUN_KEYS)


def _patch_value(metric: str, run: Run) -> Found | None:
    for place in run.places([DATA])[:1]:
        rows = _last_patches(run, metric).reset_index()
        values = rows[(rows["dataset"] == place["dataset"]) & (rows["model"] == place["model"])]
        if len(values):
            accuracy = values["patch_accuracy"]
            part = Part(DATA, accuracy.mean(), *run.over_networks(accuracy))
            source = Source(("resampling",), f"{place['dataset']}, {metric}, last epoch")
            return Found((part,), (source,), networks=len(values))
    return None


def _patch_order(metric: str, reference: str, run: Run) -> Found | None:
    first, second = _last_patches(run, metric), _last_patches(run, reference)
    parts = []
    for key in first.index.intersection(second.index):
        a, b = (
            (row["patch_accuracy"], (row["patch_ci_low"], row["patch_ci_high"]))
            for row in (first.loc[key], second.loc[key])
        )
        label = f"{key[0]}, {key[1]}, seed {key[2]}"
        parts.append(Part(label, a[0] - b[0], *difference_interval(*a, *b)))
    if not parts:
        return None
    source = Source(("resampling",), f"{metric} against {reference}, last epoch")
    return Found(tuple(parts), (source,), networks=len(parts))


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
        if len(values):
            part = Part(DATA, values[when].mean(), *run.over_networks(values[when]))
            source = Source(("resampling_similarity",), f"{place['dataset']}, all, {when} epoch")
            return Found((part,), (source,), networks=len(values))
    return None


def _growth(run: Run) -> Found | None:
    rows = _similarities(run)
    growth = (rows["last"] - rows["first"]).to_numpy(float)
    if not len(growth) or np.isnan(growth).any():
        return None
    part = Part(f"{len(growth)} networks", growth.mean(), *run.over_networks(growth))
    source = Source(("resampling_similarity",), "all, last epoch against first")
    return Found((part,), (source,), networks=len(growth))


def _study_claims() -> list[Claim]:
    words = {
        "correlation_influences": "Correlated channels influence the output more than",
        "precision_generalises": "Precise channels fire on more images of the class than",
    }
    return [
        Claim(
            f"resampling.{claim}.{reference}",
            SOURCE,
            "Abstract: what is selected",
            f"{words[claim]} {REFERENCES[reference]}",
            None,
            ORDER,
            partial(_study, claim, reference),
            NEEDS,
        )
        for claim in words
        for reference in ("random_active", "precision" if "corr" in claim else "correlation")
    ]


def _patch_claims() -> list[Claim]:
    place = "Classifier on the channels' patches"
    values = [
        Claim(
            f"resampling.patches.{metric}",
            SOURCE,
            place,
            f"INRIA Person, test accuracy: {PATCH_NAMES[metric]}",
            published,
            VALUE,
            partial(_patch_value, metric),
            NEEDS_DATA,
            rounding=ROUNDING,
        )
        for metric, published in PATCHES.items()
    ]
    orders = [
        Claim(
            f"resampling.patches.{metric}-over-{reference}",
            SOURCE,
            place,
            f"Test accuracy: {PATCH_NAMES[metric]} above {PATCH_NAMES[reference]}",
            round(PATCHES[metric] - PATCHES[reference], 2),
            ORDER,
            partial(_patch_order, metric, reference),
            NEEDS_EPOCHS,
        )
        for metric, reference in (("network", "precision"), ("precision", "correlation"))
    ]
    return values + orders


def _similarity_claims() -> list[Claim]:
    place = "Overlap of both sets over the epochs"
    values = [
        Claim(
            f"resampling.similarity.{when}",
            SOURCE,
            place,
            f"INRIA Person: similarity after the {when} epoch (half of Dice's coefficient)",
            published,
            VALUE,
            partial(_similarity, when),
            NEEDS_DATA,
            rounding=ROUNDING,
        )
        for when, published in zip(("first", "last"), SIMILARITY, strict=True)
    ]
    growth = Claim(
        "resampling.similarity.grows",
        SOURCE,
        place,
        "The similarity of both sets grows while the network is trained",
        round(SIMILARITY[1] - SIMILARITY[0], 2),
        ORDER,
        _growth,
        NEEDS_EPOCHS,
    )
    return [*values, growth]


CLAIMS: tuple[Claim, ...] = (*_study_claims(), *_patch_claims(), *_similarity_claims())
