"""The benchmark over networks: which method is ahead, by ten measures.

`vebi.benchmark` does the work; this is what the reports know of it.
"""

from vebi.io.tables import Allowed, Table, allow
from vebi.record import paragraph
from vebi.run.plan import RUN
from vebi.studies.record import Study, Tabulation

_NOISE = "another training is explained by other maps"

STUDY = Study(
    name="benchmark",
    title="Which method is ahead",
    place="VEBI, section 4.3 compares four methods by one measure",
    question=paragraph("""
        Methods of this and other libraries on all networks, scored by where the class's part is, by
        what the network really uses, and by what a map shows besides; next to controls that know
        nothing of the network and should lose, and controls that know the answer. Which method is
        ahead, and which differences can be told?
    """),
    tables={
        "benchmark": Table(
            keys=("dataset", "model", "method", "measure"),
            values=(
                *("kind", "value", "ci_low", "ci_high"),
                *("rank", "rank_ci_low", "rank_ci_high", "best", "differs"),
                *("n_networks", "n_scenes", "n_images"),
            ),
            text_values=("kind",),
            formats=dict.fromkeys(("rank", "rank_ci_low", "rank_ci_high", "differs"), "%.0f"),
            caption=paragraph("""
                Each measure's mean over networks and scenes. *rank* among the methods, 1 is the best,
                with where 95 % of the ranks lie when networks and scenes are drawn again; *best*:
                share of the draws in which the method is first; *differs*: whether it can be told
                from the first one (1) or not (0). Controls have no rank.
            """),
            allowed=(
                Allowed("value", "interval", atol=0.1, why=_NOISE),
                *allow("ci_*", "best", "differs", "*rank*", kind="show", why=_NOISE),
            ),
        ),
    },
    wanted=lambda plan: bool(plan.config.benchmark and plan.intervened),
    tabulate=Tabulation(
        function="vebi.benchmark.tables:tabulate",
        inputs=lambda plan: {
            "paths": plan.files(f"benchmark/{RUN}/scores.csv", plan.runs(plan.intervened))
        },
        settings=lambda plan: {"runs": plan.runs(plan.intervened)},
    ),
    jobs={"score_methods": "cpu"},
)
