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

from vebi.io.tables import TABLES
from vebi.report.captions import read_caption, to_html
from vebi.report.tables import FIRST_ROWS, embed
from vebi.studies.registry import OTHERS, STUDIES, describe, find_figure, find_table

FIGURES = [name for study in STUDIES for name in study.figures]


def body_of(text):
    """What docutils, which Snakemake uses, makes of a caption."""
    parts = docutils.core.publish_parts(
        text, writer="html5", settings_overrides={"halt_level": 2, "report_level": 2}
    )
    return parts["body"]


@pytest.mark.parametrize("name", [*FIGURES, *(f"tables/{name}" for name in TABLES), "workflow"])
def test_every_figure_and_table_has_a_caption_that_docutils_reads_alike(root, name):
    path = root / "workflow/report" / f"{name}.rst"
    expected = re.sub(r"<[^>]+>", "", body_of(path.read_text(encoding="utf-8")))
    found = re.sub(r"<[^>]+>", "", read_caption(path).replace("</p><p>", "</p> <p>"))
    # Only line breaks may differ.
    assert html.unescape(found).split() == html.unescape(expected).split()


def test_no_caption_file_is_left_over(root):
    files = (root / "workflow/report").rglob("*.rst")
    known = {*FIGURES, *TABLES, "workflow"}
    assert {path.stem for path in files} <= known


@given(st.text(st.characters(blacklist_characters="*`\\", blacklist_categories=("Cs", "Cc"))))
def test_a_text_without_markup_is_only_escaped(text):
    assert html.unescape(to_html(text)) == text
    assert "<" not in to_html(text)


def test_markup():
    assert to_html("*a* is ``b < c`` **d**") == (
        "<em>a</em> is <code>b &lt; c</code> <strong>d</strong>"
    )


def test_every_table_of_the_contract_stands_in_one_study():
    shown = [name for study in STUDIES for name in study.tables]
    assert len(shown) == len(set(shown))
    assert set(shown) == set(TABLES) - {"claims"}


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
    found, found_family = find_figure(name)
    assert (found.key, found_family) == (study, family)


def test_results_that_no_study_knows_are_shown_at_the_end():
    assert find_table("new_table") is OTHERS
    category, kind, caption, labels = describe(Path("results/x/tables/new_table.csv"))
    assert category.endswith(OTHERS.title)
    assert (kind, caption) == ("tables", "tables/new_table.rst")
    assert labels == {"table": "new table", "of": "all"}


def test_wildcards_of_a_figure_become_its_label():
    _, kind, caption, labels = describe(Path("r/figures/panels_{dataset}_{model}.png"))
    assert (kind, caption) == ("figures", "panels.rst")
    assert labels == {"figure": "panels", "of": "{dataset} {model}"}


def test_categories_sort_in_the_order_of_the_studies():
    paths = [Path(f"t/{study.tables[0]}.csv") for study in STUDIES if study.tables]
    categories = [describe(path)[0] for path in [Path("t/claims.csv"), *paths, Path("t/new.csv")]]
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
