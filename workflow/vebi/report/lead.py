"""What a page opens with: one image explained, and five findings in words, chosen by rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vebi.catalogue.methods import DRAWN, OURS, PEER
from vebi.report.claims import Claim
from vebi.report.findings import Finding
from vebi.statistics import Verdict

MOST = 5
# Verdicts of which the first claim stands at the head of the page, if there is one.
TOLD = (
    *(Verdict.CONFIRMED, Verdict.CONTRADICTED, Verdict.DEPENDS, Verdict.NEGLIGIBLE),
    *(
        Verdict.DIFFERS,
        Verdict.CONSISTENT,
        Verdict.IMPROVED,
        Verdict.ANSWERED,
        Verdict.INCONCLUSIVE,
    ),
)
# At the head stand the paper's method, its peer there, and the image with what decides.
SHOWN_METHODS = (OURS.name, PEER.name)
MOST_FEATURES = 3


@dataclass(frozen=True)
class Lead:
    """A finding at the head of the page; `place` in the work, `target` the id of what it is from."""

    verdict: str
    statement: str
    result: str
    target: str
    place: str = ""


@dataclass(frozen=True)
class Tile:
    """A picture with what it is; `text` says more."""

    uri: str
    name: str
    text: str = ""


@dataclass(frozen=True)
class Example:
    """One image of the run explained.

    `said`: the class that the network predicts; `is_right`: whether that is the image's own;
    `features`: those that the first map draws, strongest first.
    """

    place: str
    said: str
    is_right: bool
    features: tuple[str, ...]
    tiles: tuple[Tile, ...]
    pixelated: bool


def lead_claims(claims: Sequence[Claim], most: int = MOST) -> list[Lead]:
    """Of each verdict the first claim, then the second ones, until there are enough; in the works' order.

    A place (section or figure of a work) is taken once while there are others. What was not tested is
    no finding.

    Args:
        claims: in the works' order.
        most: how many, at most.
    """
    tested = [claim for claim in claims if claim.verdict in TOLD]
    chosen: list[Claim] = []
    for spread in (True, False):
        for verdict in TOLD * most:
            taken = {_place(claim) for claim in chosen} if spread else set()
            fitting = (
                claim
                for claim in tested
                if claim.verdict == verdict and claim not in chosen and _place(claim) not in taken
            )
            chosen += list(fitting)[:1] if len(chosen) < most else []
    return [_told(claim) for claim in tested if claim in chosen]


def _place(claim: Claim) -> tuple[str, str]:
    return claim.source, claim.place


def _told(claim: Claim) -> Lead:
    parts = [claim.measured]
    if claim.published:
        parts.append(f"published {claim.published}")
    if claim.reason:
        parts.append(claim.reason)
    place = f"{claim.source}, {claim.place}".removesuffix(", ")
    result = "; ".join(filter(None, parts))
    return Lead(claim.verdict, claim.statement, result, f"claim-{claim.key}", place)


def lead_findings(
    sections: Sequence[tuple[str, Sequence[Finding]]], most: int = MOST
) -> list[Lead]:
    """The first finding of each study, then the second ones, until there are enough; study by study.

    Args:
        sections: name and findings of each study, in the page's order.
        most: how many, at most.
    """
    depth = max((len(findings) for _, findings in sections), default=0)
    by_rank = [
        (number, rank)
        for rank in range(depth)
        for number, (_, findings) in enumerate(sections)
        if rank < len(findings)
    ]
    leads = []
    for number, rank in sorted(by_rank[:most]):
        name, findings = sections[number]
        one = findings[rank]
        where = "" if one.place in ("all", "all settings") else f" ({one.place})"
        leads.append(Lead(one.tone, f"{one.statement}{where}", one.result, name))
    return leads


def pick_example(gallery: Sequence[Mapping[str, Any]]) -> Example | None:
    """The first image of the gallery that is predicted as what it is, else the first one; None for none.

    Args:
        gallery: of each experiment what `vebi.report.gallery.collect` gives.
    """
    found = [(one, item) for one in gallery for item in one["items"]]
    if not found:
        return None
    right = [(one, item) for one, item in found if item["label"] == item["predicted"]]
    experiment, item = (right or found)[0]
    methods = experiment["methods"]
    shown = [name for name in SHOWN_METHODS if name in methods] or methods[:1]
    tiles = [Tile(item["image"], "the image")]
    if item["mask"]:
        tiles.append(Tile(item["mask"], "the mask", "what decides"))
    for name in shown:
        at = methods.index(name)
        area = item["areas"][at] if item["areas"] else None
        text = "" if area is None else f"area under its IoU curve {area:.2f}"
        tiles.append(Tile(item["maps"][at], DRAWN[name].label, text))
    return Example(
        place=f"{experiment['dataset']}, {experiment['model']}, test image {item['index']}",
        said=experiment["classes"][item["predicted"]],
        is_right=bool(right),
        features=tuple(item["features"][methods.index(shown[0])][:MOST_FEATURES]),
        tiles=tuple(tiles),
        pixelated=bool(experiment["pixelated"]),
    )
