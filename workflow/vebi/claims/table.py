"""The records of claims.csv, and of the one table that claims read and no run makes."""

from vebi.io.tables import Allowed, Table, allow

CLAIM_COLUMNS = ("source", "statement", "published", "measured", "ci_low", "ci_high", "verdict")
FACT_COLUMNS = ("comparability", "problem", "factor", "margin")
PLACE_COLUMNS = ("place", "rule", "table", "note", "networks")
# Columns that tables of earlier versions lack.
FURTHER_COLUMNS = (
    *("reduced", "tables", "contrast", "interaction", "interaction_ci_low", "interaction_ci_high"),
    *("p_value", "p_heterogeneity"),
)
TEXT_COLUMNS = (
    *("source", "statement", "verdict", "comparability", "problem", "factor"),
    *("place", "rule", "table", "note", "reduced", "tables", "contrast"),
)

CLAIMS_TABLE = Table(
    keys=("claim_id",),
    values=(*CLAIM_COLUMNS, *FACT_COLUMNS, *PLACE_COLUMNS, *FURTHER_COLUMNS),
    text_values=TEXT_COLUMNS,
    formats=dict.fromkeys(("p_value", "p_heterogeneity"), "%.3e"),
    caption=(
        "Every checkable claim of the three works: the published number, ours with its 95 % interval, "
        "how like the published experiment ours is (*comparability*), and a *verdict* by the rule in the "
        "column *rule*, the same for every claim of its kind. *problem* says why nothing was decided, or "
        "what qualifies the word; *factor* on what a difference depends, *interaction* by how "
        "much; *margin* below what size it is negligible."
    ),
    allowed=(
        *(
            Allowed(
                column,
                "follows",
                why="computed from spgl1's solutions, which have not converged",
                rows="table=*spgl1*",
            )
            for column in ("verdict", "problem", "measured", "ci_*")
        ),
        *allow("verdict", "comparability", kind="exact", why="what a reader takes home"),
        Allowed("published", "exact", why="printed in the papers"),
        *allow("statement", "source", "place", "rule", kind="show", why="wording"),
        *allow("table", "tables", kind="show", why="where the number stands"),
        Allowed("note", "show", why="what was measured on, in words"),
        *allow("networks", "reduced", kind="exact", why="set by the config"),
        Allowed("problem", "follows", why="says how the interval lies, whose ends are compared"),
        Allowed("factor", "follows", why="belongs to the verdict"),
        Allowed("margin", "exact", why="written down before"),
        Allowed("contrast", "follows", why="the levels that differ most"),
        Allowed(
            "measured",
            "interval",
            atol=0.05,
            rtol=0.05,
            why="inside each other's interval; the numbers serve claims without one",
        ),
        Allowed("*ci_*", "close", atol=0.1, rtol=0.1, why="ends of intervals over few seeds"),
        Allowed("interaction", "close", atol=0.1, rtol=0.1, why="a difference of such numbers"),
        Allowed("p_*", "close", atol=0.3, why="follows how the intervals lie"),
    ),
)

# Made by `make bench`: times are no results of a run, since no two runs have the same.
EXPLANATION_TIMES_TABLE = Table(
    keys=("network", "method", "batch", "tool"),
    values=("milliseconds", "cpu_milliseconds", "times_peer", "note"),
    text_values=("note",),
    caption=(
        "Time from pixels to predicted classes and maps, on one thread, *batch* images at a time, by "
        "this package and by its peer; *times_peer*: the peer's CPU time over the tool's."
    ),
)
