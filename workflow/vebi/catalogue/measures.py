"""The measures of the benchmark: what each asks of a map, and what it can't see."""

from typing import Literal

from vebi.catalogue.record import by_name
from vebi.record import paragraph, record


@record
class Measure:
    """A number for each map, averaged over images.

    Args:
        name: in tables.
        title: for people.
        short: at the head of a narrow column, on two lines.
        group: what it is about: where the class's part is, which parts the network uses, or what a map
            shows besides.
        asks: its question.
        blind: what it can't see.
        less_is_better: so that the best value is the lowest.
    """

    name: str
    title: str
    short: str
    group: Literal["localisation", "faithfulness", "artefact"]
    asks: str
    blind: str
    less_is_better: bool = False


_LABEL = "A network may look elsewhere: then a map that shows where it looks loses."
_PARTS = "Where in a part the map is high: an edge of a part counts as its inside."

MEASURES: dict[str, Measure] = by_name(
    (
        Measure(
            name="auc",
            title="area under the IoU curve",
            short="area",
            group="localisation",
            asks=paragraph("""
                How well do the pixels above a threshold cover the part that carries the class, over
                all thresholds from 0 to 1 (the paper's Fig. 8)?
            """),
            blind=f"{_LABEL} A map with few high values is covered at low thresholds only and loses, "
            "however right its order of pixels is.",
        ),
        Measure(
            name="best_iou",
            title="IoU at the best threshold",
            short="best\nIoU",
            group="localisation",
            asks="The same at the one threshold, for all images, that is best for the method.",
            blind=f"{_LABEL} The threshold is chosen on the images that it is scored on.",
        ),
        Measure(
            name="relevance_mass",
            title="relevance mass",
            short="mass",
            group="localisation",
            asks=paragraph("""
                Which share of the map's sum lies on the part that carries the class (Arras et al.
                2022)?
            """),
            blind=f"{_LABEL} A faint haze over the background costs as much as a bright spot on it.",
        ),
        Measure(
            name="relevance_rank",
            title="relevance rank",
            short="rank",
            group="localisation",
            asks=paragraph("""
                Of the highest pixels, as many as that part has, which share lies on it (Arras et al.
                2022)?
            """),
            blind=f"{_LABEL} How much higher these pixels are than others.",
        ),
        Measure(
            name="pointing",
            title="pointing game",
            short="points",
            group="localisation",
            asks="Does the highest pixel lie on that part (Zhang et al. 2016)?",
            blind=f"{_LABEL} All pixels but one.",
        ),
        Measure(
            name="rank_correlation",
            title="follows true effects",
            short="follows\neffects",
            group="faithfulness",
            asks=paragraph("""
                Do parts with more relevance per pixel lower the class's score more when the renderer
                makes them neutral or removes them (Spearman's rank correlation over the parts of an
                image)?
            """),
            blind=f"{_PARTS} Effects are of one change at a time: where either of two parts is enough, "
            "each alone has little.",
        ),
        Measure(
            name="single_deletion",
            title="follows removal",
            short="follows\nremoval",
            group="faithfulness",
            asks="The same of a part's total relevance and its removal alone.",
            blind=f"{_PARTS} A large part has a large total in any map; removing a part also shows what "
            "was behind it.",
        ),
        Measure(
            name="wrong_order",
            title="ignored above used (less is better)",
            short="wrong\norder",
            group="faithfulness",
            asks=paragraph("""
                In which share of the pairs of a part that the network uses and one that it ignores
                has the ignored one more relevance per pixel? Chance is 0.5.
            """),
            blind=f"{_PARTS} Parts with an effect between both: it is not asked which of two weak parts "
            "matters more.",
            less_is_better=True,
        ),
        Measure(
            name="grid",
            title="grid of the strides (less is better)",
            short="grid",
            group="artefact",
            asks=paragraph("""
                Which share of a map's energy is a lattice with the period of the network's strides
                (VEBI, Fig. 2)?
            """),
            blind="Whether a map is right: a smooth one has no grid, whatever it shows.",
            less_is_better=True,
        ),
        Measure(
            name="sanity",
            title="alike after all weights are random (less is better)",
            short="alike",
            group="artefact",
            asks=paragraph("""
                How alike (rank correlation of pixels) is the map of the same network with random
                weights (Adebayo et al. 2018)?
            """),
            blind="Whether a map is right: one that changes with the weights need not say the truth "
            "about them. Methods that explain selected features are left out.",
            less_is_better=True,
        ),
    )
)


def names_of(*groups: str) -> list[str]:
    """Names of the measures of some groups, in order."""
    return [name for name, one in MEASURES.items() if one.group in groups]
