"""The table of claims of a run."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from vebi.claims.claim import Claim, Found, describe_reduced
from vebi.claims.input_resampling import CLAIMS as RESAMPLING
from vebi.claims.mcgill_report import CLAIMS as MCGILL
from vebi.claims.rules import NAN, Judged, Rule
from vebi.claims.run import Run
from vebi.claims.table import CLAIMS_TABLE
from vebi.claims.vebi_paper import CLAIMS as VEBI
from vebi.statistics import Comparability, Judgement, Pooled, Verdict

# Of the numbers in claims.csv.
DECIMALS = 6
CLAIMS: tuple[Claim, ...] = (*VEBI, *MCGILL, *RESAMPLING)


def tabulate(files: Mapping[str, Path], facts: Mapping[str, Any]) -> pd.DataFrame:
    """claims.csv of a run: every claim, in order of its id.

    Args:
        files: the run's tables by name.
        facts: see `vebi.claims.facts`.
    """
    run = Run(files, facts)
    found = {claim.claim_id: claim.measure(run) for claim in CLAIMS}
    judged = judge(CLAIMS, found)
    rows = [_row(claim, found[claim.claim_id], judged[claim.claim_id]) for claim in CLAIMS]
    return pd.DataFrame(rows, columns=CLAIMS_TABLE.columns).sort_values("claim_id")


def judge(claims: Iterable[Claim], found: Mapping[str, Found | None]) -> dict[str, Judged]:
    """The verdict on each claim by its id; p-values by Holm over the claims of a place and a rule."""
    judged: dict[str, Judged] = {}
    families: dict[tuple[str, str, Rule], list[tuple[Claim, Found]]] = {}
    for claim in claims:
        one = found[claim.claim_id]
        if one is None:
            judged[claim.claim_id] = Judged(Judgement(Verdict.NOT_TESTED, "no data"))
        elif one.problem:
            judged[claim.claim_id] = Judged(Judgement(Verdict.NOT_TESTED, one.problem))
        else:
            families.setdefault((claim.source, claim.place, claim.rule), []).append((claim, one))
    for (_, _, rule), family in families.items():
        for (claim, _), verdict in zip(family, rule.judge(family), strict=True):
            judged[claim.claim_id] = verdict
    return judged


def _row(claim: Claim, found: Found | None, judged: Judged) -> dict[str, object]:
    said = judged.judgement
    interaction = said.interaction
    difference = interaction.difference if interaction else None
    return {
        "claim_id": claim.claim_id,
        "source": claim.source,
        "statement": claim.statement,
        "published": NAN if claim.published is None else float(claim.published),
        "measured": _shown(judged.value),
        "ci_low": _shown(judged.low),
        "ci_high": _shown(judged.high),
        "verdict": str(said.verdict),
        "comparability": str(found.comparability if found else Comparability.NO_DATA),
        "problem": said.problem,
        "factor": said.factor,
        "margin": claim.margin or NAN,
        "place": claim.place,
        "rule": claim.rule.words,
        "table": "; ".join(source.words for source in found.sources) if found else "",
        "note": _note(claim, found, judged.pooled),
        "networks": found.networks if found else 0,
        "reduced": found.reduced if found else "",
        "tables": " ".join(found.tables) if found else "",
        "contrast": " minus ".join(interaction.levels) if interaction else "",
        "interaction": _shown(difference.value if difference else NAN),
        "interaction_ci_low": _shown(difference.low if difference else NAN),
        "interaction_ci_high": _shown(difference.high if difference else NAN),
        "p_value": said.p_value,
        "p_heterogeneity": judged.pooled.p_heterogeneity if judged.pooled else NAN,
    }


def _shown(value: Any) -> float:
    """A number with the digits of the file, so that what is made of both is the same."""
    return round(float(value), DECIMALS)


def _note(claim: Claim, found: Found | None, pooled: Pooled | None) -> str:
    """Every experiment's number where there are several, and what else to know."""
    if found is None:
        return f"needs {claim.needs}"
    cells = ""
    if pooled is not None and len(pooled.cells) > 1:
        cells = "; ".join(
            f"{label} {_interval(claim, (e.value, e.low, e.high))}"
            for label, e in pooled.cells.items()
        )
    return ". ".join(text for text in (cells, describe_reduced(found.reduced), found.note) if text)


def _interval(claim: Claim, numbers: Iterable[Any]) -> str:
    value, low, high = (f"{float(x):.{claim.decimals}f}" for x in numbers)
    return value if low == "nan" else f"{value} ({low} to {high})"
