"""The record of claims.csv."""

from vebi.io.tables import Allowed, Table

CLAIM_COLUMNS = ("source", "statement", "published", "measured", "ci_low", "ci_high", "verdict")

# Facts that runs of older versions have only in the words of other columns.
FACT_COLUMNS = ("problem", "reduced", "tables")

TEXT_COLUMNS = (
    "source",
    "statement",
    "verdict",
    "place",
    "rule",
    "table",
    "note",
    *FACT_COLUMNS,
)

CLAIMS_TABLE = Table(
    keys=("claim_id",),
    values=(*CLAIM_COLUMNS, "place", "rule", "table", "note", "networks", *FACT_COLUMNS),
    text_values=TEXT_COLUMNS,
    caption=(
        "Every checkable claim of the three works, with the published number, ours, and a verdict by the "
        "rule in the column *rule*, the same for every claim of its kind."
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
        Allowed("verdict", "exact", why="what a reader takes home"),
        Allowed("published", "exact", why="printed in the papers"),
        Allowed("statement", "show", why="wording"),
        Allowed("source", "show", why="wording"),
        Allowed("place", "show", why="wording"),
        Allowed("rule", "show", why="wording"),
        Allowed("table", "show", why="where the number stands"),
        Allowed("note", "show", why="what was measured on, in words"),
        Allowed("networks", "exact", why="set by the config"),
        Allowed("problem", "follows", why="says how the interval lies, whose ends are compared"),
        Allowed("reduced", "exact", why="set by the config"),
        Allowed("tables", "show", why="where the number stands"),
        Allowed(
            "measured",
            "interval",
            atol=0.05,
            rtol=0.05,
            why="inside each other's interval; the numbers serve claims without one",
        ),
        Allowed("ci_*", "close", atol=0.1, rtol=0.1, why="ends of intervals over few seeds"),
    ),
)
