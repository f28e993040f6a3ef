"""All studies, in the order of the reports, and what is derived from their records."""

from collections.abc import Iterator

from vebi.io.tables import Table
from vebi.run.plan import Plan
from vebi.studies.ablation import STUDY as ABLATION
from vebi.studies.artefacts import STUDY as ARTEFACTS
from vebi.studies.average import STUDY as AVERAGE
from vebi.studies.benchmark import STUDY as BENCHMARK
from vebi.studies.controls import STUDY as CONTROLS
from vebi.studies.explanations import STUDY as EXPLANATIONS
from vebi.studies.feature_counts import STUDY as FEATURE_COUNTS
from vebi.studies.identifiability import STUDY as IDENTIFIABILITY
from vebi.studies.interventions import STUDY as INTERVENTIONS
from vebi.studies.iou import STUDY as IOU
from vebi.studies.mcgill import STUDY as MCGILL
from vebi.studies.networks import STUDY as NETWORKS
from vebi.studies.occlusion import STUDY as OCCLUSION
from vebi.studies.perturbation import STUDY as PERTURBATION
from vebi.studies.record import Figure, Study
from vebi.studies.robustness import STUDY as ROBUSTNESS
from vebi.studies.sanity import STUDY as SANITY
from vebi.studies.selection import STUDY as SELECTION

STUDIES: tuple[Study, ...] = (
    NETWORKS,
    SELECTION,
    AVERAGE,
    FEATURE_COUNTS,
    ABLATION,
    CONTROLS,
    IDENTIFIABILITY,
    EXPLANATIONS,
    IOU,
    INTERVENTIONS,
    BENCHMARK,
    ARTEFACTS,
    OCCLUSION,
    SANITY,
    ROBUSTNESS,
    MCGILL,
    PERTURBATION,
)
# What no study knows: a result of a run that somebody has added something to.
OTHERS = Study(
    name="others",
    title="Further results",
    place="",
    question="What else this run has made.",
)

STUDY_TABLES: dict[str, Table] = {
    name: table for study in STUDIES for name, table in study.tables.items()
}


def sections() -> list[Study]:
    """The studies that have a section of the reports, in their order; OTHERS is the last."""
    return [*(study for study in STUDIES if not study.section), OTHERS]


def section_of(study: Study) -> Study:
    """The study in whose section another one is shown."""
    return next((one for one in STUDIES if one.name == study.section), study)


def study_of_table(name: str) -> Study:
    """The study that makes a table."""
    return next((study for study in STUDIES if name in study.tables), OTHERS)


def study_of_figure(name: str) -> tuple[Study, str]:
    """The study that makes a figure, and the figure's name without data set and model."""
    found = [
        (study, family)
        for study in STUDIES
        for family in study.figures
        if name == family or name.startswith(f"{family}_")
    ]
    # The longest: `artefact_maps_x` is not an `artefact`, and `ablation_bars` not an `ablation`.
    return max(found, key=lambda pair: len(pair[1]), default=(OTHERS, name))


def table_names(plan: Plan) -> list[str]:
    """Every table of the studies that a run has."""
    return [name for study in STUDIES for name in study.table_names(plan)]


def figure_names(plan: Plan) -> list[str]:
    """Every figure that a run has."""
    return [name for study in STUDIES for name in study.figure_names(plan)]


def drawn_figures() -> Iterator[tuple[Study, str, Figure]]:
    """The figures that the one rule draws: study, name and record."""
    for study in STUDIES:
        for name, figure in study.figures.items():
            if figure.draw:
                yield study, name, figure
