"""How many features each variant of the method selects (VEBI 4.1)."""

from vebi.io.tables import RUN_KEYS, Table
from vebi.record import paragraph
from vebi.run.plan import RUN
from vebi.studies.columns import FEATURE_COUNT, RELATIVE_GAP
from vebi.studies.record import Figure, Study, Tabulation

STUDY = Study(
    name="feature_counts",
    title="How many features each variant selects",
    place="VEBI, section 4.1",
    question=paragraph("""
        The paper prints numbers of selected features, but not which variant of its descriptor and
        of the mu-Lasso gave them. How many does each variant select?
    """),
    section="selection",
    tables={
        "feature_counts": Table(
            keys=(*RUN_KEYS, "descriptor", "nonnegative", "scope", "mu"),
            values=("n_features", "n_features_total", "relative_gap"),
            caption=paragraph("""
                Selected features for every variant of the method: descriptor, sign of the weights,
                scope.
            """),
            allowed=(RELATIVE_GAP, FEATURE_COUNT),
        ),
    },
    figures={
        "feature_counts": Figure(
            draw="vebi.studies.feature_counts.figures:draw_feature_counts",
            caption=paragraph("""
                How many features each variant of the method selects at mu = 10, next to the numbers
                that the paper prints (its text does not say which number belongs to which data
                set).
            """),
            reads=("feature_counts",),
        ),
    },
    wanted=lambda plan: bool(plan.config.feature_counts and plan.config.experiments),
    tabulate=Tabulation(
        function="vebi.studies.feature_counts.tables:tabulate",
        inputs=lambda plan: {"paths": plan.files(f"feature_counts/{RUN}/feature_counts.csv")},
    ),
    jobs={"count_features": "cpu"},
)
