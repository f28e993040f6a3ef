"""Where both reports show a result, and what they say of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vebi.claims.table import CLAIMS_TABLE
from vebi.io.tables import Table
from vebi.run.plan import Plan
from vebi.studies.record import Study
from vebi.studies.registry import (
    STUDY_TABLES,
    figure_names,
    section_of,
    sections,
    study_of_figure,
    study_of_table,
    table_names,
)

TABLES: dict[str, Table] = {**STUDY_TABLES, "claims": CLAIMS_TABLE}


@dataclass(frozen=True)
class Place:
    """How Snakemake's report files a result; `caption` is the name that its caption goes by."""

    category: str
    subcategory: str
    caption: str
    labels: dict[str, str]

    def labels_of(self, names: Mapping[str, str], shown_as: Mapping[str, str]) -> dict[str, str]:
        """The labels of one result, with what people call what its file is named after.

        Args:
            names: by wildcard.
            shown_as: names for people by names in the configuration; others stay.
        """
        words = {key: shown_as.get(name, name) for key, name in names.items()}
        return {key: label.format_map(words) for key, label in self.labels.items()}


def place_in_report(path: Path) -> Place:
    """Where Snakemake's report shows a figure or table.

    Categories are sorted by name there, so each begins with its number. What distinguishes figures of
    a kind (a data set and model, with wildcards in braces) is a label.
    """
    if path.suffix == ".csv":
        study, name, kind, rest = study_of_table(path.stem), path.stem, "table", ""
    else:
        study, name = study_of_figure(path.stem)
        kind, rest = "figure", path.stem.removeprefix(name).strip("_")
    number, title = (1, "Claims") if name == "claims" else _number(section_of(study))
    labels = {kind: name.replace("_", " "), "of": rest.replace("}_{", "}, {") or "all"}
    return Place(f"{number:02d} {title}", f"{kind}s", f"{kind}_{name}", labels)


def _number(section: Study) -> tuple[int, str]:
    return sections().index(section) + 2, section.title


def caption_of_table(name: str) -> str:
    """The caption of a table, "" for one that nobody knows."""
    return TABLES[name].caption if name in TABLES else ""


def caption_of_figure(name: str) -> str:
    """The caption of a figure or family of figures, "" for one that nobody knows."""
    study, family = study_of_figure(name)
    return study.figures[family].caption if family in study.figures else ""


def captions(plan: Plan) -> dict[str, str]:
    """The caption of each figure and table of a run, by the name that `Place.caption` has."""
    tables = {f"table_{name}": caption_of_table(name) for name in [*table_names(plan), "claims"]}
    families = dict.fromkeys(study_of_figure(name)[1] for name in figure_names(plan))
    return tables | {f"figure_{name}": caption_of_figure(name) for name in families}
