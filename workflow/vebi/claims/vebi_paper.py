"""VEBI (Oramas, Wang and Tuytelaars, ICLR 2019): numbers of features, Fig. 4, Fig. 8, boxes, grids."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pandas as pd

from vebi.claims.cells import (
    BOTH,
    Numbers,
    include_scenes,
    interval_half,
    of_interval,
    over,
)
from vebi.claims.claim import Claim, Found, Source
from vebi.claims.rules import ORDER, QUESTION, VALUE, pair_rule
from vebi.claims.run import Run
from vebi.statistics import Comparability

SOURCE = "VEBI"
# What no work says, but what its claim would be on other data.
OURS = "Ours"
MU = 10.0
FLOWERS = ("single-6c", "double-12c", "double-12c-distractors")
DIGITS = ("digits", "mnist-part", "mnist")
IMAGES = {"ilsvrc12": "ILSVRC'12", "imagenet-cats": "ImageNet-Cats", "fashion144k": "Fashion144k"}
SCOPES = {"all": "All", "conv": "OnlyConv"}
CONTROLS = {
    "random": "uniform",
    "random_selected_layers": "from the layers of the selected",
    "random_layer_matched": "layer by layer",
}
METHODS = {
    "upsampled_activation": "upsampled activation",
    "deconv_gb": "deconvnet with guided backprop",
    "vebi": "VEBI (stride 1 in convolutions and pooling)",
}
# The network of each data set that is closest to the paper's, by architecture.
CLOSEST = {
    **dict.fromkeys(FLOWERS, "an8flower_inferred"),
    "mnist": "matconvnet",
    **dict.fromkeys(IMAGES, "vgg_f"),
}
# The descriptor of the authors' code; that of the text is another one.
CODE = "vebi_code"
SOME_DATA = "an experiment on a data set of that kind and selection.mu with 10: config/config.yaml"
NEEDS_MNIST = "MNIST: config/mnist.yaml"
NEEDS_IMAGES = "config/paper.yaml with the images in $VEBI_DATA"
# The paper's own images of flowers are not available.
RENDERED = "our renders of the paper's description, not its images"

Place = dict[str, str]


def _name(place: Place) -> str:
    return f"{place['dataset']}, {place['model']}"


def _label(place: Place, places: Sequence[Place]) -> str:
    """The data set, and the model only where the data set has several."""
    alone = sum(other["dataset"] == place["dataset"] for other in places) == 1
    return place["dataset"] if alone else _name(place)


def _levels(place: Place) -> dict[str, str]:
    return {"data set": place["dataset"], "network": place["model"]}


def _is_closest(run: Run, place: Place) -> bool:
    return run.architecture(place) == CLOSEST.get(run.facts["roles"][place["dataset"]])


def _closest_first(run: Run, places: Sequence[Place]) -> list[Place]:
    return sorted(places, key=lambda place: not _is_closest(run, place))


def _comparability(run: Run, places: Sequence[Place]) -> Comparability:
    """Same design: the paper's data, and its network. Rendered flowers stand for the paper's images."""
    same = all(
        _is_closest(run, place)
        and run.facts["roles"][place["dataset"]] not in FLOWERS
        and place["dataset"] not in run.facts["stand_ins"]
        for place in places
    )
    return Comparability.SAME_DESIGN if same else Comparability.STAND_IN


# Numbers of selected features.


def _counts(run: Run, place: Place, scope: str) -> Numbers | None:
    rows = run.rows("selection", **place, scope=scope, mu=MU).set_index("seed")
    if rows.empty:
        return None
    label = f"{place['dataset']} {SCOPES[scope]}"
    return Numbers(label, rows["n_features"].astype(float), networks=_name(place))


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
        if numbers := _counts(run, place, scope):
            variants = _variants(run.rows("feature_counts", **place, scope=scope, mu=MU))
            note = "the paper does not say which pair is whose; 46 and 28 come closest to MNIST"
            note += f". feature_counts.csv: {variants}" if variants else ""
            source = Source(("selection",), f"{_name(place)}, {scope}, mu 10")
            return Found((numbers,), (source,), _comparability(run, [place]), note)
    return None


def _pair_counts(run: Run) -> Found | None:
    # Experiments whose images are not here are left out of a run.
    places = [place for place in run.places(IMAGES) if not run.rows("selection", **place).empty]
    numbers = [_counts(run, place, scope) for place in places for scope in SCOPES]
    there = tuple(one for one in numbers if one is not None)
    if len(there) < len(numbers) or not there:
        return None
    return Found(there, (Source(("selection",), "mu 10"),), _comparability(run, places))


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
            score="count",
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
                pair_rule(conv),
                _pair_counts,
                NEEDS_IMAGES,
                decimals=1,
                score="count",
            )
        )
    return claims


# Removing them.


def _left(rows: pd.DataFrame, condition: str) -> pd.Series:
    """Accuracy left without the features of a condition, per network: the mean over its draws."""
    return rows[rows["condition"] == condition].groupby("seed")["mean_class_accuracy"].mean()


def _more_than_random(scope: str, run: Run, places: Sequence[Place]) -> list[Numbers]:
    """Drop in accuracy without the selected features minus that without random ones, every control."""
    found = []
    for place in places:
        rows = run.rows("ablation", **place, scope=scope, mu=MU)
        controls = [name for name in dict.fromkeys(rows["condition"]) if name.startswith("random")]
        for control in controls:
            effect = (_left(rows, control) - _left(rows, "selected")).dropna()
            row = run.row("ablation_effect", **place, scope=scope, mu=MU, control=control)
            # Intervals of earlier versions are over networks and draws: these numbers are, too.
            if row is not None and over(row):
                effect = include_scenes(effect, row)
            drawn = CONTROLS.get(control, control.replace("_", " "))
            label = f"{_label(place, places)} {SCOPES[scope]}, {drawn}"
            levels = {**_levels(place), "control": drawn}
            found.append(Numbers(label, effect, levels, _name(place)))
    return [one for one in found if len(one.values)]


def _more_than_convolutions(run: Run, places: Sequence[Place]) -> list[Numbers]:
    """Accuracy without the OnlyConv selection minus that without All, over networks."""
    found = []
    for place in places:
        conv, both = (
            _left(run.rows("ablation", **place, scope=scope, mu=MU), "selected")
            for scope in ("conv", "all")
        )
        if len(difference := (conv - both).dropna()):
            label = f"{_label(place, places)}, All against OnlyConv"
            found.append(Numbers(label, difference, _levels(place), _name(place)))
    return found


def _images_order(run: Run, places: Sequence[Place]) -> list[Numbers]:
    """The three orderings of the photographs, which the paper's bars show together."""
    found = [
        *_more_than_random("all", run, places),
        *_more_than_random("conv", run, places),
        *_more_than_convolutions(run, places),
    ]
    return [
        Numbers(one.label, one.values, {"comparison": one.label}, one.networks) for one in found
    ]


EFFECTS: dict[str, Callable[[Run, Sequence[Place]], list[Numbers]]] = {
    "all": partial(_more_than_random, "all"),
    "conv": partial(_more_than_random, "conv"),
    "scopes": _more_than_convolutions,
    "images": _images_order,
}
COMPARISONS = {
    "all": "selected > random_layer_matched (All)",
    "conv": "selected > random_layer_matched (OnlyConv)",
    "scopes": "All > OnlyConv",
}


def _ablation(roles: Sequence[str], ordering: str, run: Run) -> Found | None:
    places = run.places(roles)
    numbers = EFFECTS[ordering](run, places)
    if not numbers:
        return None
    counts = run.rows("robustness_summary", factor="all")
    wanted = COMPARISONS.get(ordering) if set(roles) == set(FLOWERS) else None
    texts = [_settings(counts[counts["comparison"] == wanted])]
    if not _has_scenes(run, places):
        texts.append("the interval is over networks, on these scenes")
    note = ". ".join(text for text in texts if text)
    source = Source(("ablation", "ablation_effect"), "mu 10")
    return Found(tuple(numbers), (source,), _comparability(run, places), note)


def _has_scenes(run: Run, places: Sequence[Place]) -> bool:
    """Whether intervals include the scenes wherever test images share scenes."""
    rendered = [place for place in places if run.facts["roles"][place["dataset"]] in FLOWERS]
    rows = [run.row("ablation_effect", **place, mu=MU) for place in rendered]
    return all(row is not None and over(row) == BOTH for row in rows)


def _settings(summary: pd.DataFrame) -> str:
    """In how many variants of the method the study of robustness finds an ordering."""
    rows = summary.to_dict("records")
    texts = [f"{row['n_holds']} of {row['n_settings']} settings" for row in rows]
    return f"robustness_summary.csv: holds in {', '.join(texts)}" if texts else ""


def _ablation_claims() -> list[Claim]:
    place, elsewhere = "4.1, Fig. 4: removing features", "Fig. 4 on other data: removing features"
    words = {
        "all": "removing selected features costs more accuracy than removing random ones (All)",
        "conv": "removing selected features costs more accuracy than removing random ones (OnlyConv)",
        "scopes": "removing All costs more accuracy than removing OnlyConv",
    }
    grounds = {
        "mnist": (SOURCE, place, "MNIST", ("mnist",), NEEDS_MNIST),
        "flowers": (OURS, elsewhere, "Flowers", FLOWERS, SOME_DATA),
        "digits": (OURS, elsewhere, "Small digits", ("digits", "mnist-part"), SOME_DATA),
    }
    claims = [
        Claim(
            f"vebi.fig4.{key}.{ordering}",
            source,
            where,
            f"{name}: {words[ordering]}",
            None,
            ORDER,
            partial(_ablation, roles, ordering),
            needs,
            score="accuracy",
        )
        for key, (source, where, name, roles, needs) in grounds.items()
        for ordering in words
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
                partial(_ablation, (role,), "images"),
                NEEDS_IMAGES,
                score="accuracy",
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


def _areas(run: Run, place: Place, method: str) -> pd.Series:
    return run.rows("iou_auc", **place, method=method).set_index("seed")["auc"]


def _area(role: str, method: str, run: Run) -> Found | None:
    for place in _closest_first(run, run.places([role])):
        areas = _areas(run, place, method)
        if len(areas):
            numbers = Numbers(place["dataset"], areas, networks=_name(place))
            source = Source(("iou_auc",), f"{_name(place)}, {method}")
            return Found((numbers,), (source,), Comparability.STAND_IN, RENDERED)
    return None


def _area_difference(
    run: Run, place: Place, label: str, pair: tuple[str, str], setting: dict[str, Any]
) -> tuple[Numbers, Source] | None:
    """Difference of two methods' areas per network: of this run's heatmaps, or of robustness.csv."""
    method, reference = pair
    difference = (_areas(run, place, method) - _areas(run, place, reference)).dropna()
    if len(difference) and setting == run.setting(place):
        row = run.row("iou_paired", **place, method=method, reference=reference)
        values = include_scenes(difference, row)
        source = Source(("iou_auc", "iou_paired"), f"{method} against {reference}")
        return Numbers(label, values, _levels(place), _name(place)), source
    comparison = f"{method} > {reference}"
    row = run.row("robustness", **place, **setting, comparison=comparison)
    if row is None:
        return None
    networks = int(row["n_seeds"])
    half = interval_half(row, "ci_low", "ci_high", networks)
    values = of_interval(row["mean_difference"], half, networks)
    words = f"{comparison}, {setting['descriptor']}, mu {setting['mu']:g}"
    return Numbers(label, values, _levels(place), _name(place)), Source(("robustness",), words)


def _area_order(role: str, pair: tuple[str, str], run: Run) -> Found | None:
    """In the setting of the run's heatmaps, in every network."""
    places = run.places([role])
    found = [
        _area_difference(run, place, _label(place, places), pair, run.setting(place))
        for place in places
    ]
    there = [one for one in found if one is not None]
    if not there:
        return None
    summary = run.rows("robustness_summary", comparison=" > ".join(pair), factor="dataset")
    note = _settings(summary[summary["level"].isin({place["dataset"] for place in places})])
    sources = tuple(dict.fromkeys(source for _, source in there))
    return Found(tuple(one for one, _ in there), sources, Comparability.STAND_IN, note)


def _close_order(role: str, pair: tuple[str, str], run: Run) -> Found | None:
    """In the network that is closest to the paper's, with the descriptor of the authors' code."""
    for place in run.places([role]):
        if not _is_closest(run, place):
            continue
        setting = {**run.setting(place), "descriptor": CODE}
        found = _area_difference(run, place, _name(place), pair, setting)
        if found is not None:
            return Found((found[0],), (found[1],), Comparability.STAND_IN, RENDERED)
    return None


def _overlap_claims() -> list[Claim]:
    needs = "an experiment on that flower set with the paper's heatmap methods: config/config.yaml"
    close = "the inferred network with descriptor vebi_code: config/robustness.yaml"
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
                    score="iou_area",
                )
            )
        for pair in FIG8_PAIRS:
            words = f"{METHODS[pair[0]]} above {METHODS[pair[1]]}"
            difference = round(FIG8[pair[0]][number] - FIG8[pair[1]][number], 2)
            for ending, where, which, measure, needed in (
                ("", "order of the methods", "", _area_order, needs),
                (
                    ".close",
                    "order of the methods, closest replication",
                    ", inferred network and the code's descriptor",
                    _close_order,
                    close,
                ),
            ):
                claims.append(
                    Claim(
                        f"vebi.fig8.{role}.{pair[0]}-over-{pair[1]}{ending}",
                        SOURCE,
                        f"4.3, Fig. 8: {where}",
                        f"{role}{which}: {words}",
                        difference,
                        ORDER,
                        partial(measure, role, pair),
                        needed,
                        score="iou_area",
                    )
                )
    return claims


# Boxes over what a map marks.


def _confidence(run: Run, place: Place, method: str) -> pd.Series:
    """Mean confidence under a method's boxes, per network."""
    rows = run.rows("occlusion", **place, method=method)
    return rows[rows["covered_fraction"] > 0].groupby("seed")["mean_confidence"].mean()


def _occlusion(roles: Sequence[str], run: Run) -> Found | None:
    """How much less confidence is left under VEBI's boxes than under those of deconvnet with GB."""
    numbers, places = [], run.places(roles)
    for place in places:
        less = _confidence(run, place, "deconv_gb") - _confidence(run, place, "vebi")
        row = run.row("occlusion_paired", **place, method="vebi", reference="deconv_gb")
        if len(less := less.dropna()):
            values = include_scenes(less, row)
            numbers.append(Numbers(_label(place, places), values, _levels(place), _name(place)))
    if not numbers:
        return None
    source = Source(("occlusion", "occlusion_paired"), "vebi against deconv_gb, sign turned")
    return Found(tuple(numbers), (source,), _comparability(run, places))


def _mean_occlusion(roles: Sequence[str], run: Run) -> Found | None:
    """The same as one number per seed: the mean over the data sets."""
    found = _occlusion(roles, run)
    if found is None:
        return None
    together = pd.concat([one.values for one in found.numbers], axis=1).mean(axis=1)
    mean = Numbers("mean over data sets", together)
    return Found((mean,), found.sources, found.comparability)


def _occlusion_claims() -> list[Claim]:
    place = "4.2: covering what a map marks"
    needs = "section occlusion and a data set of that kind: config/config.yaml"
    claims = []
    by = "the confidences differ by 2 % (sign and averaging are not said; ours: mean loss)"
    for key, name, roles in (("flowers", "Flowers", FLOWERS), ("digits", "Digits", DIGITS)):
        more = f"{name}: covering what VEBI marks costs more confidence than what deconvnet with GB marks"
        for ending, statement, rule, measure in (
            ("order", more, ORDER, _occlusion),
            ("value", f"{name}: {by}", VALUE, _mean_occlusion),
        ):
            claims.append(
                Claim(
                    f"vebi.occlusion.{key}.{ending}",
                    SOURCE,
                    place,
                    statement,
                    0.02,
                    rule,
                    partial(measure, roles),
                    needs,
                    rounding=0.005,
                    score="confidence",
                )
            )
    return claims


# Grids.


def _of_layer(
    run: Run, place: Place, row: dict[Any, Any], column: str, pair: tuple[str, str]
) -> pd.Series:
    """A column of artefacts.csv in the layer of `row`: the first method minus the second, by seed."""
    first, second = (
        run.rows("artefacts", **place, method=method, layer=row["layer"]).set_index("seed")[column]
        for method in pair
    )
    return (first - second).dropna()


def _grid(roles: Sequence[str], where: str, run: Run) -> Found | None:
    """How much less of a grid VEBI's maps have than those of deconvnet with guided backprop."""
    numbers, places = [], run.places(roles)
    for place in places:
        paired = run.rows("artefacts_paired", **place, method="vebi", reference="deconv_gb")
        layers = paired[paired["layer_number"] > 0].sort_values("layer_number")
        rows = paired[paired["layer"] == "heatmap"] if where == "heatmap" else layers[:1]
        for row in rows.to_dict("records"):
            less = _of_layer(run, place, row, "grid_artefact_score", ("deconv_gb", "vebi"))
            values = include_scenes(less, row)
            label = f"{_label(place, places)}, {row['layer']}"
            numbers.append(Numbers(label, values, _levels(place), _name(place)))
    numbers = [one for one in numbers if len(one.values)]
    if not numbers:
        return None
    source = Source(("artefacts", "artefacts_paired"), "vebi against deconv_gb, sign turned")
    note = "share of a map's energy on the lattice of the strides"
    return Found(tuple(numbers), (source,), _comparability(run, places), note)


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


# What is said in passing.

HEATMAP_TABLES = ("iou_auc", "occlusion", "artefacts")


def _architectures(run: Run) -> Found | None:
    """How many architectures have a certified selection and heatmaps in this run."""
    explained = [
        place
        for place in run.places(set(run.facts["roles"].values()))
        if len(run.rows("selection", **place))
        and any(len(run.rows(name, **place)) for name in HEATMAP_TABLES)
    ]
    if not explained:
        return None
    names = sorted({run.architecture(place) for place in explained})
    number = Numbers("architectures", pd.Series([float(len(names))]))
    source = Source(("selection", *HEATMAP_TABLES), "architectures with rows")
    return Found(
        (number,),
        (source,),
        note=f"explained without change: {', '.join(names)}",
        answer="those that were tried",
        count=sum(run.rows("selection", **place)["seed"].nunique() for place in explained),
    )


def _speed(run: Run) -> Found | None:
    """Images explained per CPU second, one at a time, from pixels to maps of three features."""
    rows = run.rows("explain", method="vebi", tool="vebi", batch=1)
    if rows.empty:
        return None
    rates = 1000 / rows["cpu_milliseconds"]
    listed = ", ".join(
        f"{network} {rate:.1f}" for network, rate in zip(rows["network"], rates, strict=True)
    )
    slowest = Numbers("the slowest network", pd.Series([float(rates.min())]))
    return Found(
        (slowest,),
        (Source(("explain",), "vebi, one image at a time"),),
        note=f"images per second on one core: {listed}",
        answer=f"{rates.min():.2g} images a second or more",
        count=len(rows),
    )


def _higher_layers(run: Run) -> Found | None:
    """VEBI's maps of the same features minus upsampled activations, in the upper half of the layers."""
    numbers, places = [], run.places(FLOWERS)
    pair = ("vebi", "upsampled_activation")
    for place in places:
        paired = run.rows("artefacts_paired", **place, method=pair[0], reference=pair[1])
        layers = paired[paired["layer_number"] > 0].sort_values("layer_number")
        for row in layers[len(layers) // 2 :].to_dict("records"):
            interval = {name: row[f"overlap_{name}"] for name in ("ci_low", "ci_high")}
            more = _of_layer(run, place, row, "mask_overlap", pair)
            values = include_scenes(more, {**row, **interval})
            label = f"{_label(place, places)}, {row['layer']}"
            levels = {**_levels(place), "layer": row["layer"]}
            numbers.append(Numbers(label, values, levels, _name(place)))
    numbers = [one for one in numbers if len(one.values)]
    if not numbers:
        return None
    source = Source(("artefacts", "artefacts_paired"), "mask_overlap, the upper half of the layers")
    note = "the feature of each layer that counts most, drawn alone"
    return Found(tuple(numbers), (source,), _comparability(run, places), note)


def _gaps(run: Run) -> Found | None:
    """How much more VEBI's maps mark the gaps of a digit than other empty pixels as far from the ink."""
    numbers, places = [], run.places(DIGITS)
    for place in places:
        rows = run.rows("gaps", **place, method="vebi")
        for (digit, other), group in rows.groupby(["digit", "other"]):
            against = f"{digit} against {other}"
            values = group.set_index("seed")["gap_excess"].dropna()
            levels = {**_levels(place), "digits": against}
            label = f"{_label(place, places)}, {against}"
            numbers.append(Numbers(label, values, levels, _name(place)))
    numbers = [one for one in numbers if len(one.values)]
    if not numbers:
        return None
    note = "in units of a map's mean; the mean over test images of each network"
    source = Source(("gaps",), "gap_excess of vebi")
    return Found(tuple(numbers), (source,), _comparability(run, places), note)


def _further_claims() -> list[Claim]:
    return [
        Claim(
            "vebi.real_time",
            SOURCE,
            "3.3: cost",
            "Explanations are computed fast enough for real time (images per second on one core)",
            None,
            QUESTION,
            _speed,
            "a measurement of time, which no run makes: make bench, docs/speed.md",
            decimals=1,
        ),
        Claim(
            "vebi.any_network",
            SOURCE,
            "1: contributions",
            "The method applies to any type of network (architectures that it explained)",
            None,
            QUESTION,
            _architectures,
            "experiments with heatmaps: config/config.yaml",
            decimals=0,
        ),
        Claim(
            "vebi.higher_layers",
            SOURCE,
            "4.2: qualitative comparison",
            "In higher layers VEBI's maps are more precise than upsampled ones (overlap with masks)",
            None,
            ORDER,
            _higher_layers,
            "section artefacts and a flower data set: config/config.yaml",
            score="iou_area",
        ),
        Claim(
            "vebi.digits.gaps",
            SOURCE,
            "4.2, Fig. 6: digits",
            "Selected features support gaps, too: 2 against 0, 6 against 4 (more of the map there)",
            None,
            ORDER,
            _gaps,
            "heatmaps of digits: config/config.yaml",
        ),
    ]


CLAIMS: tuple[Claim, ...] = (
    *_count_claims(),
    *_ablation_claims(),
    *_overlap_claims(),
    *_occlusion_claims(),
    *_grid_claims(),
    *_further_claims(),
)
