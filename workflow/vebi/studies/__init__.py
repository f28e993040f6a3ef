"""The studies: what each measures, its tables and its figures, a record and a folder each."""

from typing import TYPE_CHECKING

from vebi.io.late import late_names

if TYPE_CHECKING:
    from vebi.studies.job_inputs import load_interpreted_network, load_network
    from vebi.studies.record import Figure, Study, Tabulation
    from vebi.studies.registry import STUDIES, study_of_figure, study_of_table

__all__ = [
    "STUDIES",
    "Figure",
    "Study",
    "Tabulation",
    "load_interpreted_network",
    "load_network",
    "study_of_figure",
    "study_of_table",
]

__getattr__ = late_names(
    __name__,
    {
        "job_inputs": ("load_interpreted_network", "load_network"),
        "record": ("Figure", "Study", "Tabulation"),
        "registry": ("STUDIES", "study_of_figure", "study_of_table"),
    },
)
