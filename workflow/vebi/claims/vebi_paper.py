"""VEBI (Oramas, Wang and Tuytelaars, ICLR 2019): numbers of features, Fig. 4, Fig. 8, boxes, grids."""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from vebi.claims.claim import ORDER, VALUE, Claim, Found, Part, Rule, Source
from vebi.claims.run import Run, hull

SOURCE = "VEBI"
MU = 10.0
FLOWERS = ("single-6c", "double-12c", "double-12c-distractors")
DIGITS = ("digits", "mnist-part", "mnist")
IMAGES = {"ilsvrc12": "ILSVRC'12", "imagenet-cats": "ImageNet-Cats", "fashion144k": "Fashion144k"}
SCOPES = {"all": "All", "conv": "OnlyConv"}
CONTROLS = {"random": "uniform", "random_layer_matched": "layer by layer"}
METHODS = {
    "upsampled_activation": "upsampled activation",
    "deconv_gb": "deconvnet with guided backprop",
    "vebi": "VEBI (stride 1 in convolutions and pooling)",
}
SOME_DATA = "an experiment on a data set of that kind and selection.mu with 10: config/config.yaml"
NEEDS_MNIST = "MNIST: config/mnist.yaml"
NEEDS_IMAGES = "config/paper.yaml with the images in $VEBI_DATA"


def _name(place: dict[str, str]) -> str:
    return f"{place['dataset']}, {place['model']}"


def _label(place: dict[str, str], places: Sequence[dict[str, str]]) -> str:
    """The data set, and the model only where the data set has several."""
    alone = sum(other["dataset"] == place["dataset"] for other in places) == 1
    return place["dataset"] if alone else _name(place)


# Numbers of selected features.


def _counts(run: Run, place: dict[str, str], scope: str) -> Part | None:
    counts = run.rows("selection", **place, scope=scope, mu=MU)["n_features"]
    if counts.empty:
        return None
    label = f"{place['dataset']} {SCOPES[scope]}"
    return Part(label, counts.mean(), *run.over_networks(counts))


def _variants(counts: pd.DataFrame) -> str:
    """Mean number of features over networks, for every variant of the method."""
    texts = []
    for descriptor in dict.fromkeys(counts["descriptor"]):
        for sign, words in (("False", "signed W"), ("True", "W >= 0")):
            of_sign = counts["nonnegative"].astype(str) == sign
            some = counts[of_sign & (counts["descriptor"] == descriptor)]["n_features"]
            texts += [f"{descriptor}, {words} {some.mean():.1f}"] if len(some) else []
    return "; ".join(texts)


def _mnist_count(scope: str, run: Run) -> Found | None:
    for place in run.places(["mnist"])[:1]:
        if part := _counts(run, place, scope):
            variants = _variants(run.rows("feature_counts", **place, scope=scope, mu=MU))
            note = "the paper does not say which pair is whose; 46 and 28 come closest to MNIST"
            note += f". feature_counts.csv: {variants}" if variants else ""
            source = Source(("selection",), f"{_name(place)}, {scope}, mu 10")
            return Found((part,), (source,), note, run.count("selection", [place]))
    return None


def _pair_counts(run: Run) -> Found | None:
    places = run.places(IMAGES)
    parts = [_counts(run, place, scope) for place in places for scope in SCOPES]
    there = tuple(part for part in parts if part is not None)
    if len(there) < len(parts) or not there:
        return None
    return Found(there, (Source(("selection",), "mu 10"),), networks=run.count("selection", places))


def _pair_rule(other: int) -> Rule:
    def holds(claim: Claim, parts: Sequence[Part]) -> bool:
        printed = (float(claim.published or 0), float(other))
        return any(
            all(part.low <= count <= part.high for part, count in zip(pair, printed, strict=True))
            for pair in zip(parts[::2], parts[1::2], strict=True)
        )

    words = "both numbers of the pair lie in our 95 % intervals over networks, on one of these data sets"
    return Rule(words, holds, lambda claim, part: "")


def _count_claims() -> list[Claim]:
    place = "4.1, Fig. 4: numbers of features at mu = 10"
    claims = [
        Claim(
            f"vebi.features.mnist.{scope}",
            SOURCE,
            place,
            f"MNIST: {number} features are selected, {SCOPES[scope]}",
            number,
            VALUE,
            partial(_mnist_count, scope),
            NEEDS_MNIST,
            decimals=1,
        )
        for scope, number in (("all", 46), ("conv", 28))
    ]
    for both, conv in ((92, 101), (104, 111), (248, 180)):
        claims.append(
            Claim(
                f"vebi.features.images.{both}-{conv}",
                SOURCE,
                place,
                f"One of {', '.join(IMAGES.values())}: {both} features, All; {conv}, OnlyConv",
                both,
                _pair_rule(conv),
                _pair_counts,
                NEEDS_IMAGES,
                decimals=1,
            )
        )
    return claims


# Removing them.


def _more_than_random(scope: str, run: Run, places: Sequence[dict[str, str]]) -> list[Part]:
    """Drop in accuracy without the selected features minus that without random ones, both controls."""
    parts = []
    for place in places:
        for control, drawn in CONTROLS.items():
            for row in run.rows(
                "ablation_effect", **place, scope=scope, mu=MU, control=control
            ).to_dict("records"):
                label = f"{_label(place, places)} {SCOPES[scope]}, {drawn}"
                parts.append(Part(label, row["difference"], row["ci_low"], row["ci_high"]))
    return parts


def _more_than_convolutions(run: Run, places: Sequence[dict[str, str]]) -> list[Part]:
    """Accuracy without the OnlyConv selection minus that without All, over networks."""
    parts = []
    for place in places:
        left = [
            run.rows("ablation", **place, scope=scope, mu=MU, condition="selected").set_index(
                "seed"
            )["mean_class_accuracy"]
            for scope in ("conv", "all")
        ]
        difference = (left[0] - left[1]).dropna()
        if len(difference):
            label = f"{_label(place, places)}, All against OnlyConv"
            parts.append(Part(label, difference.mean(), *run.over_networks(difference)))
    return parts


ORDERINGS = ("all", "conv", "scopes")


def _ablation(roles: Sequence[str], orderings: Sequence[str], run: Run) -> Found | None:
    places = run.places(roles)
    parts: list[Part] = []
    for ordering in orderings:
        if ordering == "scopes":
            parts += _more_than_convolutions(run, places)
        else:
            parts += _more_than_random(ordering, run, places)
    if not parts:
        return None
    tables = dict.fromkeys(
        "ablation" if ordering == "scopes" else "ablation_effect" for ordering in orderings
    )
    counts = run.rows("robustness_summary", factor="all")
    names = {
        "all": "selected > random_layer_matched (All)",
        "conv": "selected > random_layer_matched (OnlyConv)",
        "scopes": "All > OnlyConv",
    }
    wanted = [names[o] for o in orderings] if set(roles) == set(FLOWERS) else []
    note = _settings(counts[counts["comparison"].isin(wanted)])
    source = Source(tuple(tables), "mu 10")
    return Found(tuple(parts), (source,), note, run.count("ablation", places))


def _settings(summary: pd.DataFrame) -> str:
    """In how many variants of the method the study of robustness finds an ordering."""
    rows = summary.to_dict("records")
    texts = [f"{row['n_holds']} of {row['n_settings']} settings" for row in rows]
    return f"robustness_summary.csv: holds in {', '.join(texts)}" if texts else ""


def _ablation_claims() -> list[Claim]:
    place = "4.1, Fig. 4: removing features"
    words = {
        "all": "removing selected features costs more accuracy than removing random ones (All)",
        "conv": "removing selected features costs more accuracy than removing random ones (OnlyConv)",
        "scopes": "removing All costs more accuracy than removing OnlyConv",
    }
    grounds = {
        "mnist": ("MNIST", ("mnist",), NEEDS_MNIST),
        "flowers": ("Flowers (not in Fig. 4)", FLOWERS, SOME_DATA),
        "digits": ("Small digits (for MNIST)", ("digits", "mnist-part"), SOME_DATA),
    }
    claims = [
        Claim(
            f"vebi.fig4.{key}.{ordering}",
            SOURCE,
            place,
            f"{name}: {words[ordering]}",
            None,
            ORDER,
            partial(_ablation, roles, (ordering,)),
            needs,
        )
        for key, (name, roles, needs) in grounds.items()
        for ordering in ORDERINGS
    ]
    for role, name in IMAGES.items():
        statement = (
            "selected features cost more than random ones, All and OnlyConv, and All the most"
        )
        claims.append(
            Claim(
                f"vebi.fig4.{role}",
                SOURCE,
                place,
                f"{name}: {statement}",
                None,
                ORDER,
                partial(_ablation, (role,), ORDERINGS),
                NEEDS_IMAGES,
            )
        )
    return claims


# Overlap with masks.

# Area under the IoU curve, single-6c and double-12c.
FIG8 = {
    "upsampled_activation": (0.15, 0.19),
    "deconv_gb": (0.22, 0.20),
    "vebi": (0.23, 0.21),
}
FIG8_SETS = ("single-6c", "double-12c")
FIG8_PAIRS = (
    ("vebi", "deconv_gb"),
    ("vebi", "upsampled_activation"),
    ("deconv_gb", "upsampled_activation"),
)


def _areas(run: Run, place: dict[str, str], method: str) -> pd.Series:
    return run.rows("iou_auc", **place, method=method).set_index("seed")["auc"]


def _area(role: str, method: str, run: Run) -> Found | None:
    for place in run.places([role])[:1]:
        areas = _areas(run, place, method)
        if len(areas):
            part = Part(place["dataset"], areas.mean(), *run.over_networks(areas))
            note = "our renders of the paper's description, not its images"
            source = Source(("iou_auc",), f"{_name(place)}, {method}")
            return Found((part,), (source,), note, len(areas))
    return None


def _area_order(role: str, method: str, reference: str, run: Run) -> Found | None:
    """Difference of areas; from robustness.csv if there, whose intervals resample networks, too."""
    places, comparison = run.places([role]), f"{method} > {reference}"
    parts: list[Part] = []
    sources: dict[Source, None] = {}
    networks = 0
    for place in places:
        setting = run.setting(place)
        rows = run.rows("robustness", **place, **setting, comparison=comparison).to_dict("records")
        for row in rows:
            label = _label(place, places)
            parts.append(Part(label, row["mean_difference"], row["ci_low"], row["ci_high"]))
            networks += row["n_seeds"]
            sources[Source(("robustness",), f"{comparison}, setting of the run's heatmaps")] = None
        paired = run.rows("iou_paired", **place, method=method, reference=reference)
        for row in [] if rows else paired.to_dict("records"):
            difference = _areas(run, place, method) - _areas(run, place, reference)
            ends = hull((row["ci_low"], row["ci_high"]), run.over_networks(difference))
            parts.append(Part(_label(place, places), row["auc_difference"], *ends))
            networks += len(difference)
            sources[Source(("iou_paired", "iou_auc"), f"{method} against {reference}")] = None
    if not parts:
        return None
    summary = run.rows("robustness_summary", comparison=comparison, factor="dataset")
    datasets = {place["dataset"] for place in places}
    note = _settings(summary[summary["level"].isin(datasets)])
    return Found(tuple(parts), tuple(sources), note, networks)


def _overlap_claims() -> list[Claim]:
    needs = "an experiment on that flower set with the paper's heatmap methods: config/config.yaml"
    claims = []
    for number, role in enumerate(FIG8_SETS):
        for method, printed in FIG8.items():
            claims.append(
                Claim(
                    f"vebi.fig8.{role}.{method}",
                    SOURCE,
                    "4.3, Fig. 8: area under the IoU curve",
                    f"{role}: {METHODS[method]}",
                    printed[number],
                    VALUE,
                    partial(_area, role, method),
                    needs,
                    rounding=0.005,
                )
            )
        for method, reference in FIG8_PAIRS:
            claims.append(
                Claim(
                    f"vebi.fig8.{role}.{method}-over-{reference}",
                    SOURCE,
                    "4.3, Fig. 8: order of the methods",
                    f"{role}: {METHODS[method]} above {METHODS[reference]}",
                    round(FIG8[method][number] - FIG8[reference][number], 2),
                    ORDER,
                    partial(_area_order, role, method, reference),
                    needs,
                )
            )
    return claims


# Boxes over what a map marks.


def _occlusion(roles: Sequence[str], run: Run) -> Found | None:
    """How much less confidence is left under VEBI's boxes than under those of deconvnet with GB."""
    parts, places = [], run.places(roles)
    for place in places:
        paired = run.rows("occlusion_paired", **place, method="vebi", reference="deconv_gb")
        for row in paired.to_dict("records"):
            curves = [
                run.rows("occlusion", **place, method=method)
                .query("covered_fraction > 0")
                .groupby("seed")["mean_confidence"]
                .mean()
                for method in ("deconv_gb", "vebi")
            ]
            networks = run.over_networks(curves[0] - curves[1])
            ends = hull((-row["ci_high"], -row["ci_low"]), networks)
            parts.append(Part(_label(place, places), -row["difference"], *ends))
    if not parts:
        return None
    source = Source(("occlusion_paired", "occlusion"), "vebi against deconv_gb, sign turned")
    return Found(tuple(parts), (source,), networks=run.count("occlusion", places))


def _occlusion_claims() -> list[Claim]:
    place = "4.2: covering what a map marks"
    needs = "section occlusion and a data set of that kind: config/config.yaml"
    claims = []
    by = "the confidences differ by 2 % (sign and averaging are not said; ours: mean loss)"
    for key, name, roles in (("flowers", "Flowers", FLOWERS), ("digits", "Digits", DIGITS)):
        more = f"{name}: covering what VEBI marks costs more confidence than what deconvnet with GB marks"
        for ending, statement, rule in (
            ("order", more, ORDER),
            ("value", f"{name}: {by}", VALUE),
        ):
            claims.append(
                Claim(
                    f"vebi.occlusion.{key}.{ending}",
                    SOURCE,
                    place,
                    statement,
                    0.02,
                    rule,
                    partial(_occlusion, roles),
                    needs,
                    rounding=0.005,
                )
            )
    return claims


# Grids.


def _grid(roles: Sequence[str], where: str, run: Run) -> Found | None:
    """How much less of a grid VEBI's maps have than those of deconvnet with guided backprop."""
    parts, places = [], run.places(roles)
    for place in places:
        paired = run.rows("artefacts_paired", **place, method="vebi", reference="deconv_gb")
        layers = paired[paired["layer_number"] > 0].sort_values("layer_number")
        rows = paired[paired["layer"] == "heatmap"] if where == "heatmap" else layers[:1]
        for row in rows.to_dict("records"):
            scores = [
                run.rows("artefacts", **place, method=method, layer=row["layer"]).set_index("seed")[
                    "grid_artefact_score"
                ]
                for method in ("deconv_gb", "vebi")
            ]
            networks = run.over_networks((scores[0] - scores[1]).dropna())
            ends = hull((-row["ci_high"], -row["ci_low"]), networks)
            label = f"{_label(place, places)}, {row['layer']}"
            parts.append(Part(label, -row["score_difference"], *ends))
    if not parts:
        return None
    source = Source(("artefacts_paired", "artefacts"), "vebi against deconv_gb, sign turned")
    note = "share of a map's energy on the lattice of the strides"
    return Found(tuple(parts), (source,), note, run.count("artefacts", places))


def _grid_claims() -> list[Claim]:
    words = {
        "layer": "going back at stride 1 leaves less grid in maps of the first layer with a stride",
        "heatmap": "going back at stride 1 leaves less grid in finished heatmaps",
    }
    return [
        Claim(
            f"vebi.grid.{key}.{where}",
            SOURCE,
            "3.3, Figs. 2 and 7: grid artefacts",
            f"{name}: {statement}",
            None,
            ORDER,
            partial(_grid, roles, where),
            "section artefacts and a data set of that kind: config/config.yaml",
        )
        for key, name, roles in (("flowers", "Flowers", FLOWERS), ("digits", "Digits", DIGITS))
        for where, statement in words.items()
    ]


CLAIMS: tuple[Claim, ...] = (
    *_count_claims(),
    *_ablation_claims(),
    *_overlap_claims(),
    *_occlusion_claims(),
    *_grid_claims(),
)
