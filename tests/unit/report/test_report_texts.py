"""Captions, studies and tables: what the pages are filed by."""

import base64
import gzip
import html
import re
from pathlib import Path

import docutils.core
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vebi.report.captions import to_html, to_paragraphs
from vebi.report.places import TABLES, caption_of_figure, caption_of_table, place_in_report
from vebi.report.tables import FIRST_ROWS, embed
from vebi.studies.registry import OTHERS, STUDIES, sections, study_of_figure, study_of_table

FIGURES = [name for study in STUDIES for name in study.figures]
CAPTIONS = {f"figure {name}": caption_of_figure(name) for name in FIGURES}
CAPTIONS |= {f"table {name}": caption_of_table(name) for name in TABLES}


def body_of(text):
    """What docutils, which Snakemake uses, makes of a caption."""
    parts = docutils.core.publish_parts(
        text, writer="html5", settings_overrides={"halt_level": 2, "report_level": 2}
    )
    return parts["body"]


@pytest.mark.parametrize("name", CAPTIONS)
def test_every_figure_and_table_has_a_caption_that_docutils_reads_alike(name):
    assert CAPTIONS[name].strip()
    expected = re.sub(r"<[^>]+>", "", body_of(CAPTIONS[name]))
    found = re.sub(r"<[^>]+>", "", to_paragraphs(CAPTIONS[name]).replace("</p><p>", "</p> <p>"))
    # Only line breaks may differ.
    assert html.unescape(found).split() == html.unescape(expected).split()


@given(st.text(st.characters(blacklist_characters="*`\\", blacklist_categories=("Cs", "Cc"))))
def test_a_text_without_markup_is_only_escaped(text):
    assert html.unescape(to_html(text)) == text
    assert "<" not in to_html(text)


def test_markup():
    assert to_html("*a* is ``b < c`` **d**") == (
        "<em>a</em> is <code>b &lt; c</code> <strong>d</strong>"
    )


def test_a_name_belongs_to_one_study():
    shown = [
        *(n for s in STUDIES for n in s.tables),
        *(f"{n}.png" for s in STUDIES for n in s.figures),
    ]
    assert len(shown) == len(set(shown))
    names = [study.name for study in STUDIES]
    assert len(names) == len(set(names))
    assert {study.section for study in STUDIES} - {""} <= set(names)


@pytest.mark.parametrize(
    ("name", "study", "family"),
    [
        ("ablation_bars", "ablation", "ablation_bars"),
        ("artefacts", "artefacts", "artefacts"),
        ("artefact_maps_digits_net", "artefacts", "artefact_maps"),
        ("montage_a_b", "networks", "montage"),
        ("mcgill_tipping_point", "mcgill", "mcgill_tipping_point"),
        ("new_one", "others", "new_one"),
    ],
)
def test_a_figure_is_filed_by_the_longest_name(name, study, family):
    found, found_family = study_of_figure(name)
    assert (found.name, found_family) == (study, family)


def test_results_that_no_study_knows_are_shown_at_the_end():
    assert study_of_table("new_table") is OTHERS
    place = place_in_report(Path("results/x/tables/new_table.csv"))
    assert place.category.endswith(OTHERS.title)
    assert (place.subcategory, place.caption) == ("tables", "table_new_table")
    assert place.labels == {"table": "new table", "of": "all"}


def test_wildcards_of_a_figure_become_its_label():
    place = place_in_report(Path("r/figures/panels_{dataset}_{model}.png"))
    assert (place.subcategory, place.caption) == ("figures", "figure_panels")
    assert place.labels == {"figure": "panels", "of": "{dataset}, {model}"}
    names = {"dataset": "d-1", "model": "net", "seed": "0"}
    labels = place.labels_of(names, {"d-1": "flowers {2}"})
    assert labels == {"figure": "panels", "of": "flowers {2}, net"}


def test_categories_sort_in_the_order_of_the_studies():
    paths = [Path(f"t/{next(iter(one.tables))}.csv") for one in sections() if one.tables]
    paths = [Path("t/claims.csv"), *paths, Path("t/new.csv")]
    categories = [place_in_report(path).category for path in paths]
    assert categories == sorted(categories)


def test_an_embedded_table_is_the_file(tmp_path):
    frame = pd.DataFrame(
        {"name": ["a,b", 'c"d', "é"] * 5, "n": range(15), "gap": [1e-3, None, 2] * 5}
    )
    path = tmp_path / "some.csv"
    frame.to_csv(path, index=False)
    table = embed(path)
    assert gzip.decompress(base64.b64decode(table.packed)) == path.read_bytes()
    assert (table.columns, table.numeric) == (["name", "n", "gap"], [False, True, True])
    assert (len(table.first_rows), table.n_rows) == (FIRST_ROWS, 15)
    assert table.first_rows[0][0] == "a,b"
    assert embed(path) == table
