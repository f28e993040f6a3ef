"""report.html: one page, with everything inside, that loads nothing from anywhere."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from vebi.catalogue.methods import DRAWN
from vebi.figures.names import name_of, named, title_of
from vebi.io.errors import VebiError
from vebi.io.files import parse_json, write_text
from vebi.io.optional import require
from vebi.io.tables import read_rows, read_table
from vebi.report.captions import to_paragraphs
from vebi.report.claims import Claim, count_verdicts, group_claims, read_claims
from vebi.report.curves import Selected, iou_curves, weight_paths
from vebi.report.findings import Finding, find
from vebi.report.gallery import Explained, collect
from vebi.report.lead import lead_claims, lead_findings, pick_example
from vebi.report.pictures import Picture, read_figure
from vebi.report.places import TABLES, caption_of_figure, caption_of_table
from vebi.report.tables import EmbeddedTable, embed
from vebi.statistics import Verdict
from vebi.studies.record import Study
from vebi.studies.registry import STUDIES, section_of, sections, study_of_figure, study_of_table

PAGE = Path(__file__).parent / "page"
TEMPLATE, STYLES = "report.html.j2", ("uplot/uPlot.min.css", "report.css")
SCRIPTS = ("uplot/uPlot.iife.min.js", "report.js")
SHOWN_VERSIONS = (
    *("python", "torch", "torchvision", "numpy", "scipy", "numba", "pandas", "h5py", "matplotlib"),
    *("snakemake", "render/bpy"),
)


@dataclass(frozen=True)
class Sources:
    """The files of a finished run."""

    run: str
    tables: Sequence[Path]
    figures: Sequence[Path]
    manifest: Path
    explained: Sequence[Explained] = ()
    selected: Sequence[Selected] = ()


@dataclass(frozen=True)
class ShownFigure:
    """One figure; `about` tells it apart from others of its family (a data set and model)."""

    name: str
    about: str
    picture: Picture


@dataclass(frozen=True)
class FigureFamily:
    """Figures that share a caption, one per data set where there are several."""

    name: str
    label: str
    caption: Markup
    figures: list[ShownFigure]


@dataclass(frozen=True)
class ShownTable:
    table: EmbeddedTable
    caption: Markup


@dataclass
class Section:
    """A study with everything that the run has of it."""

    study: Study
    findings: list[Finding]
    figures: list[FigureFamily] = field(default_factory=list)
    tables: list[ShownTable] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    @property
    def grouped(self) -> list[tuple[str, list[Finding]]]:
        """Findings by statement, in the order in which they were found."""
        groups: dict[str, list[Finding]] = {}
        for finding in self.findings:
            groups.setdefault(finding.statement, []).append(finding)
        return list(groups.items())

    @property
    def tones(self) -> dict[str, int]:
        """How many findings went which way, those that are mere facts left out."""
        found = [finding.tone for finding in self.findings if finding.tone]
        return {tone: found.count(tone) for tone in dict.fromkeys(found)}

    @property
    def contents(self) -> str:
        """What it holds, in words: `4 findings, 2 figures, 3 tables`."""
        counts = (
            (len(self.findings), "finding"),
            (sum(len(family.figures) for family in self.figures), "figure"),
            (len(self.tables), "table"),
        )
        return ", ".join(f"{n} {word}{'s' * (n != 1)}" for n, word in counts if n)

    @property
    def has_content(self) -> bool:
        return bool(self.findings or self.figures or self.tables)


def write_report(path: Path, sources: Sources) -> None:
    """Write the page of a finished run; equal results are equal bytes."""
    write_text(path, render(sources))


def render(sources: Sources) -> str:
    """The page as HTML."""
    manifest = _read_manifest(sources.manifest)
    with named(manifest.get("config", {}).get("shown_as", {})):
        return _render(sources, manifest)


def _render(sources: Sources, manifest: Mapping[str, Any]) -> str:
    tables = {
        p.stem: read_table(p, TABLES[p.stem]) if p.stem in TABLES else read_rows(p)
        for p in sources.tables
    }
    own = _own_networks(manifest.get("config", {}))
    claims = read_claims(tables["claims"]) if "claims" in tables else []
    if own:
        # The works say nothing about somebody's own images, but for what was tested on them.
        claims = [claim for claim in claims if claim.verdict != Verdict.NOT_TESTED]
    sections = _sections(sources, tables, claims, _places(manifest.get("config", {})))
    gallery = [collect(files) for files in sources.explained]
    # Of somebody's own images a reader wants to know what was found there, not what the works claim.
    leads = [] if own else lead_claims(claims)
    styles = "\n".join(_source(name) for name in STYLES)
    scripts = [_source(name) for name in SCRIPTS]
    data = {
        "iou": iou_curves(tables["iou_curve"]) if "iou_curve" in tables else [],
        "paths": [weight_paths(files) for files in sources.selected],
        "gallery": gallery,
        "methods": _methods(),
        "tables": {
            shown.table.name: shown.table.packed for section in sections for shown in section.tables
        },
    }
    require("jinja2")
    require("yaml")
    import yaml
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(TEMPLATE).render(
        run=sources.run,
        own=own,
        sections=sections,
        example=pick_example(gallery),
        leads=leads or lead_findings([(s.study.name, s.findings) for s in sections]),
        **_of_claims(claims),
        studies_of_tables={name: section_of(study_of_table(name)).name for name in tables},
        has_iou=bool(data["iou"]),
        has_paths=bool(data["paths"]),
        gallery=gallery,
        facts=_facts(manifest, tables, sources),
        manifest=manifest,
        versions=_versions(manifest),
        config=yaml.safe_dump(manifest.get("config", {}), sort_keys=False, allow_unicode=True),
        styles=Markup(styles),
        scripts=[Markup(script) for script in scripts],
        hashes=" ".join(_csp_hash(script) for script in scripts),
        data=Markup(_json(data)),
    )


def _of_claims(claims: list[Claim]) -> dict[str, Any]:
    """What the page's part about the claims is made from."""
    tested = [claim for claim in claims if claim.verdict != Verdict.NOT_TESTED]
    untested = [claim for claim in claims if claim.verdict == Verdict.NOT_TESTED]
    return {
        "claims": claims,
        "claim_groups": group_claims(tested),
        "untested_groups": group_claims(untested),
        "n_untested": len(untested),
        "verdicts": count_verdicts(claims),
        "claim_sources": list(dict.fromkeys(claim.source for claim in claims)),
    }


def _sections(
    sources: Sources,
    tables: Mapping[str, pd.DataFrame],
    claims: Sequence[Claim],
    places: Mapping[str, str],
) -> list[Section]:
    found = {study.name: Section(study, find(study.name, tables)) for study in sections()}
    families: dict[str, FigureFamily] = {}
    for path in sources.figures:
        study, family = study_of_figure(path.stem)
        if family not in families:
            caption = Markup(to_paragraphs(caption_of_figure(family)))
            families[family] = FigureFamily(family, _label(family), caption, [])
            found[section_of(study).name].figures.append(families[family])
        rest = path.stem.removeprefix(family).strip("_")
        about = places.get(rest, rest.replace("_", ", "))
        families[family].figures.append(ShownFigure(path.stem, about, read_figure(path)))
    for path in sources.tables:
        if path.stem == "claims":
            continue
        caption = Markup(to_paragraphs(caption_of_table(path.stem)))
        section = found[section_of(study_of_table(path.stem)).name]
        section.tables.append(ShownTable(embed(path), caption))
    for section in found.values():
        _sort(section)
        section.claims = [
            c
            for c in claims
            if c.tables and section_of(study_of_table(c.tables[0])) is section.study
        ]
    return [section for section in found.values() if section.has_content]


def _sort(section: Section) -> None:
    """Figures and tables in the order of their studies' records; others behind, by name."""
    shown = [study for study in STUDIES if section_of(study) is section.study]
    figures = [name for study in shown for name in study.figures]
    tables = [name for study in shown for name in study.tables]

    def place(names: Sequence[str], name: str) -> tuple[int, str]:
        return (names.index(name) if name in names else len(names), name)

    section.figures.sort(key=lambda family: place(figures, family.name))
    section.tables.sort(key=lambda shown: place(tables, shown.table.name))


def _label(family: str) -> str:
    """A figure's name for people: `iou_curves` is `IoU curves`."""
    words = family.replace("_", " ").replace("iou", "IoU").replace("mcgill", "McGill:")
    return words[0].upper() + words[1:]


def _methods() -> dict[str, dict[str, Any]]:
    return {
        name: {
            "name": method.label,
            "colour": method.colour,
            "paper": method.paper,
            "shown": method.shown_first,
        }
        for name, method in DRAWN.items()
    }


def _own_networks(config: Mapping[str, Any]) -> list[str]:
    """ "mine on photos" for each network of a run on nothing but folders of somebody's own images."""
    kinds = {data.get("kind") for data in config.get("datasets", {}).values()}
    if kinds != {"image_folder"}:
        return []
    experiments = config.get("experiments", [])
    return [title_of(one["model"], one["dataset"], " on ") for one in experiments]


def _places(config: Mapping[str, Any]) -> dict[str, str]:
    """What people read for the end of a figure's name: a data set, or one and a network."""
    pairs = [(one["dataset"], one["model"]) for one in config.get("experiments", [])]
    whole = {f"{data}_{model}": title_of(data, model, ", ") for data, model in pairs}
    return {data: name_of(data) for data in config.get("datasets", {})} | whole


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise VebiError(
            f"{path} can't be read as a manifest ({error}). Run again to rebuild it."
        ) from error
    return manifest


def _versions(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    versions = manifest.get("versions", {})
    return [(name, versions[name]) for name in SHOWN_VERSIONS if name in versions]


def _facts(
    manifest: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], sources: Sources
) -> list[tuple[str, str]]:
    """What the run consists of, for the head of the page."""
    facts = []
    runs = [tables[n] for n in ("training", "mcgill_networks") if n in tables]
    if runs:
        places = {
            (row["dataset"], row["model"], row["seed"]) for t in runs for _, row in t.iterrows()
        }
        facts.append((str(len({d for d, _, _ in places})), "data sets"))
        facts.append((str(len(places)), "networks trained"))
    facts.append((str(len(sources.tables)), "tables"))
    facts.append((str(len(sources.figures)), "figures"))
    seeds = manifest.get("seeds", [])
    facts.append((", ".join(map(str, seeds)), "seed" if len(seeds) == 1 else "seeds"))
    return facts


def _source(name: str) -> str:
    """A file of the page; the end of a script or style inside it would end it in the page, too."""
    text = (PAGE / name).read_text(encoding="utf-8").strip()
    if "</script" in text.lower() or "</style" in text.lower():
        raise VebiError(f"{PAGE / name} holds the end tag of the element it is put into.")
    return text


def _csp_hash(script: str) -> str:
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _json(data: Any) -> str:
    """JSON that can stand inside a script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
