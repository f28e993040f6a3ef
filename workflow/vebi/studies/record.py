"""The record of a study: its question, its tables, its figures, and when a run has it.

Everything that names a table or a figure elsewhere is derived from these records: targets, rules,
captions, tolerances, the sections of both reports, the entries of the Slurm profile. Plain data, without
torch: `.smk` files import them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from vebi.config.stages import ExperimentConfig
from vebi.io.tables import Table
from vebi.record import record
from vebi.run.plan import Plan

# Files by the name of the argument that takes them.
Inputs = Mapping[str, Path | Sequence[Path]]
Settings = Mapping[str, Any]


def _none(plan: Plan) -> dict[str, Any]:
    return {}


def _runs(plan: Plan) -> dict[str, Any]:
    return {"runs": plan.runs()}


def _no_settings(plan: Plan, experiment: ExperimentConfig | None) -> Settings:
    return {}


def _always(plan: Plan) -> bool:
    return True


def _all(plan: Plan) -> Sequence[ExperimentConfig]:
    return plan.config.experiments


@record
class Tabulation:
    """How the tables of a study are made from the files of all runs.

    Attributes:
        function: `module:function`, called with `inputs` and `settings` by name; returns a DataFrame
            per table.
        inputs: the files that it reads.
        settings: plain values that it depends on; every run of the plan by default.
        tables: names of the study's tables that this run has; all by default.
        memory_mb: what the job takes at most.
    """

    function: str
    inputs: Callable[[Plan], Inputs]
    settings: Callable[[Plan], Settings] = _runs
    tables: Callable[[Plan], Sequence[str]] | None = None
    memory_mb: int = 1000


@record
class Figure:
    """A figure, or a family of them with one for each experiment or data set.

    Attributes:
        draw: `module:function` that returns a matplotlib figure, called with the tables of `reads` in
            their order, then `inputs` and `settings` by name; "" where the study has a rule of its own.
        caption: what a reader should know, as reStructuredText.
        reads: tables that it shows; those that the run does not have are left out.
        inputs: files that it reads besides them; they may hold the wildcards of `per`.
        settings: plain values that it depends on.
        per: one figure in all, or one for each experiment or data set of `of`.
        wanted: whether the run has it, besides its study.
        memory_mb: what the job takes at most.
    """

    draw: str
    caption: str
    reads: tuple[str, ...] = ()
    inputs: Callable[[Plan], Inputs] = _none
    settings: Callable[[Plan, ExperimentConfig | None], Settings] = _no_settings
    per: Literal["run", "experiment", "dataset"] = "run"
    of: Callable[[Plan], Sequence[ExperimentConfig]] = _all
    wanted: Callable[[Plan], bool] = _always
    memory_mb: int = 1000

    def pattern(self, name: str) -> str:
        """The name of its file without ending, with wildcards for what there is one of each of."""
        return {
            "run": name,
            "experiment": f"{name}_{{dataset}}_{{model}}",
            "dataset": f"{name}_{{dataset}}",
        }[self.per]

    def names(self, name: str, plan: Plan) -> list[str]:
        """The figures of the family that a run has."""
        if not self.wanted(plan):
            return []
        if self.per == "run":
            return [name]
        pattern = self.pattern(name)
        found = [pattern.format(dataset=e.dataset, model=e.model) for e in self.of(plan)]
        return list(dict.fromkeys(found))


# What a job of a study's own rules asks of a cluster; see `vebi.generated` for the numbers.
JobClass = Literal["long", "network", "cpu", "small"]


@record
class Study:
    """A study: one question, with the tables and figures that answer it.

    Attributes:
        name: of its package, its rule file and its folder of results.
        title: of its section in the reports.
        place: where the question is asked in the published works.
        question: what is asked and how it is measured, for a reader who knows neither.
        tables: by name, the first is the one to read first.
        figures: by name, in the order of the reports.
        tabulate: how the tables are made.
        wanted: whether a run has the study.
        jobs: the class of each job that its own rules make.
        section: the study whose section shows it; "" for its own.
    """

    name: str
    title: str
    place: str
    question: str
    tables: Mapping[str, Table] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    tabulate: Tabulation | None = None
    wanted: Callable[[Plan], bool] = _always
    jobs: Mapping[str, JobClass] = field(default_factory=dict)
    section: str = ""

    def table_names(self, plan: Plan) -> list[str]:
        """The tables of the study that a run has."""
        if not self.wanted(plan):
            return []
        chosen = self.tabulate.tables if self.tabulate else None
        return list(self.tables) if chosen is None else list(chosen(plan))

    def figure_names(self, plan: Plan) -> list[str]:
        """The figures of the study that a run has."""
        if not self.wanted(plan):
            return []
        return [name for key, figure in self.figures.items() for name in figure.names(key, plan)]
