"""What the reports show, and in which order: a study has a question, figures and tables.

Snakemake's own report takes its categories from here, too. Plain data: `.smk` files import this.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Study:
    """A section of the report.

    `figures` are names, or the part of a name that comes before `_<dataset>`; `tables` are names. The
    first table is the one to read first. `place`: where the question stands in the published works.
    """

    key: str
    title: str
    place: str
    question: str
    figures: tuple[str, ...]
    tables: tuple[str, ...]


STUDIES = (
    Study(
        "networks",
        "Images and networks",
        "VEBI, sections 4.1 and 4.3",
        "What do the networks look at, and how well do they know it? The flower images are rendered: "
        "exactly one thing in them decides the class, and a mask says where it is. So an explanation "
        "can be wrong, and it can be measured.",
        ("montage", "training"),
        ("training",),
    ),
    Study(
        "selection",
        "Which features carry a class",
        "VEBI, section 3.1 and Fig. 5",
        "Of the hundreds of filters of a network, which few predict each class? An image is described "
        "by how strongly each filter responds; the mu-Lasso (Eq. 1) then finds, for each class, weights "
        "whose absolute values sum to at most mu. Small mu, few filters. Here the solution is exact for "
        "every mu.",
        ("selection_path", "average", "feature_counts"),
        ("selection_seeds", "feature_counts", "selection", "selected_features"),
    ),
    Study(
        "ablation",
        "Does the network need them",
        "VEBI, section 4.1 and Fig. 4",
        "If the selected filters carry the classes, a network without them should fail, and sooner than "
        "without as many filters drawn at random. The hard comparison is with random filters of the same "
        "layers.",
        ("ablation_bars", "ablation"),
        ("ablation_effect", "ablation"),
    ),
    Study(
        "explanations",
        "What an explanation looks like",
        "VEBI, sections 3.2 and 4.2, Figs. 6 and 9",
        "Which pixels make the selected filters respond? Each method draws a map for each image; the "
        "gallery at the end of this page has more of them.",
        ("panels", "examples"),
        (),
    ),
    Study(
        "overlap",
        "Do the maps lie on what decides",
        "VEBI, section 4.3 and Fig. 8",
        "A map is cut off at a threshold, and what is left is compared with the mask: intersection over "
        "union (IoU), 1 if they are the same, 0 if they don't touch. A method's score is the area under "
        "the curve over all thresholds.",
        ("iou_curves", "localisation", "distractors"),
        ("iou_auc", "iou_paired", "localisation", "distractors", "iou_curve"),
    ),
    Study(
        "artefacts",
        "Is the grid gone",
        "VEBI, section 3.3, Figs. 2 and 7",
        "Going back through layers that skip pixels leaves a regular grid on the map, which shows the "
        "network's strides and not the image. VEBI resamples to stride 1 on the way. How much of a map "
        "is grid, before and after?",
        ("artefacts", "artefact_maps"),
        ("artefacts_paired", "artefacts"),
    ),
    Study(
        "occlusion",
        "What if the marked places are covered",
        "VEBI, section 4.2",
        "Boxes drawn from the map cover up to 30 % of the image. The faster the network loses confidence "
        "in its prediction, the more the marked places matter to it.",
        ("occlusion",),
        ("occlusion_paired", "occlusion"),
    ),
    Study(
        "sanity",
        "Do the maps depend on the network",
        "Adebayo et al. 2018, beside the works",
        "If a network forgets what it has learnt, layer by layer, its explanations should change. A map "
        "that stays the same shows the image, not the network.",
        ("sanity",),
        ("sanity_verdict", "sanity_paired", "sanity"),
    ),
    Study(
        "robustness",
        "Do the orderings depend on the settings",
        "beside the works",
        "Text and code of the paper differ in places, and some settings are not given. In which variants "
        "of the method do its orderings hold?",
        ("robustness",),
        ("robustness_summary", "robustness"),
    ),
    Study(
        "mcgill",
        "The McGill reproduction",
        "McGill report, Figs. 3 and 4",
        "An earlier reproduction found a tipping point: hundreds of filters can go without harm, then "
        "accuracy collapses. Is that a property of the networks, or of how the report removed filters "
        "and solved the mu-Lasso?",
        (
            *("mcgill_published", "mcgill_tipping_point", "mcgill_causes"),
            *("mcgill_invariance", "mcgill_sensitivity"),
        ),
        (
            *("mcgill_verdict", "mcgill_claims", "mcgill_matconvnet", "mcgill_keras"),
            *("mcgill_tipping_point", "mcgill_networks", "mcgill_solvers", "mcgill_invariance"),
            *("mcgill_sensitivity", "mcgill_curves"),
        ),
    ),
    Study(
        "resampling",
        "Channels that matter when the image is disturbed",
        "Lengerich et al. 2017",
        "Another way to choose filters: disturb the image many times and watch. Correlation takes "
        "channels that move with the class score, precision takes those that stay calm. Do the first "
        "influence the output, and do the second find what is common to a class?",
        (
            *("resampling_influence", "resampling_transfer", "resampling_overlap"),
            *("resampling_epochs", "resampling_scatter", "perturbations"),
        ),
        (
            *("resampling_claims", "resampling", "resampling_transfer", "resampling_overlap"),
            "resampling_similarity",
        ),
    ),
)
OTHERS = Study("others", "Further results", "", "What else this run has made.", (), ())
CLAIMS = "Claims"


def find_figure(name: str) -> tuple[Study, str]:
    """The study that shows a figure, and the figure's name without its data set and model."""
    found = [
        (study, family)
        for study in STUDIES
        for family in study.figures
        if name == family or name.startswith(f"{family}_")
    ]
    # The longest: `artefact_maps_x` is no `artefact`, and `ablation_bars` no `ablation`.
    return max(found, key=lambda pair: len(pair[1]), default=(OTHERS, name))


def find_table(name: str) -> Study:
    """The study that shows a table."""
    return next((study for study in STUDIES if name in study.tables), OTHERS)


def describe(path: Path) -> tuple[str, str, str, dict[str, str]]:
    """How Snakemake's report files a result: category, subcategory, caption file and labels.

    Categories are sorted by name there, so each begins with its number. What distinguishes figures of
    a kind (a data set and model, with wildcards in braces) is a label.
    """
    if path.suffix == ".csv":
        study, rest, kind, name = find_table(path.stem), "", "tables", path.stem
        number, title = (1, CLAIMS) if path.stem == "claims" else _number(study)
        caption = f"tables/{path.stem}.rst"
    else:
        study, name = find_figure(path.stem)
        number, title = _number(study)
        rest, kind, caption = path.stem.removeprefix(name).strip("_"), "figures", f"{name}.rst"
    labels = {
        kind.removesuffix("s"): name.replace("_", " "),
        "of": rest.replace("}_{", "} {") or "all",
    }
    return f"{number:02d} {title}", kind, caption, labels


def _number(study: Study) -> tuple[int, str]:
    order = (*STUDIES, OTHERS)
    return order.index(study) + 2, study.title
