"""The whole graph on toy sizes: what it leaves, and nothing to do twice.

That a run has the same bytes on other cores is tested with Slurm, where it runs a second time anyway.
"""

import csv
import json
import re
import shutil
import subprocess
import sys
import zipfile

import h5py
import pytest
from PIL import Image

from vebi.report.places import TABLES
from vebi.studies.registry import STUDIES

# They look at the same finished run: `make test` gives a file to one worker.
pytestmark = pytest.mark.slow
SMOKE = ("--configfile", "config/smoke.yaml")


def test_tables_are_the_contracts(smoke):
    folder = smoke.folder / "results/smoke/tables"
    names = {path.stem for path in folder.iterdir()}
    assert {"training", "selection", "selected_features", "ablation"} <= names
    assert {"iou_curve", "iou_auc", "iou_paired", "ablation_effect"} <= names
    for path in folder.iterdir():
        content = path.read_bytes()
        assert b"\r" not in content
        assert content.endswith(b"\n")
        header, *rows = csv.reader(content.decode("utf-8").splitlines())
        assert header == TABLES[path.stem].columns
        assert rows


def test_every_job_reads_what_its_rule_declares_and_nothing_else(smoke, undeclared):
    assert undeclared(smoke.folder) == {}
    traces = [path.read_text() for path in (smoke.folder / ".traces").glob("*.txt")]
    # What would be seen: tables, HDF5 files and networks are opened in three ways.
    for name in ("descriptors.h5", "model.pt", "training.csv"):
        assert sum(f"/{name}\n" in text for text in traces) > 1, name


def test_every_selection_is_certified(smoke):
    with (smoke.folder / "results/smoke/tables/selection.csv").open() as stream:
        gaps = [float(row["relative_gap"]) for row in csv.DictReader(stream)]
    assert max(gaps) <= 1e-6


def test_every_png_has_a_vector_twin(smoke):
    figures = smoke.folder / "results/smoke/figures"
    drawn, twins = (
        {path.relative_to(figures).with_suffix("") for path in figures.rglob(f"*.{kind}")}
        for kind in ("png", "pdf")
    )
    assert drawn == twins
    assert len(drawn) > 30


def test_a_second_call_does_nothing(smoke):
    output = smoke.snakemake("--cores", "2", *SMOKE)
    assert "Nothing to be done" in output.stdout + output.stderr


def test_peak_memory_stays_under_4_gb(smoke):
    for path in (smoke.folder / "results/smoke/benchmarks").rglob("*.tsv"):
        with path.open() as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                assert float(row["max_rss"]) < 4096, path


@pytest.fixture
def finished(smoke, tmp_path):
    """A copy of the finished smoke run that a test may break."""
    folder = tmp_path / "copy"
    shutil.copytree(smoke.folder, folder, symlinks=True)
    return type(smoke)(folder)


def planned(checkout):
    return set(checkout.plan(*SMOKE)) - {"all"}


# The manifest holds every result's checksum, so it follows whatever is made again.
AFTER_IOU = {
    *("measure_iou", "tabulate_iou", "draw_iou_curves", "draw_examples", "draw_localisation"),
    *("draw_distractors", "study_robustness", "tabulate_robustness", "draw_robustness"),
    # Rankings of features are judged by the overlap of their maps, too.
    *("resample_selection", "tabulate_identifiability", "draw_identifiability"),
    # So are the methods in the benchmark.
    *("score_methods", "tabulate_benchmark"),
    # So are the maps of single layers.
    *("score_artefacts", "tabulate_artefacts", "draw_artefacts", "draw_artefact_maps"),
    *("tabulate_claims", "write_manifest", "write_report"),
}
AFTER_ABLATION = {
    *("ablate", "tabulate_ablation", "draw_ablation", "draw_ablation_bars", "tabulate_claims"),
    *("write_manifest", "write_report"),
}


@pytest.mark.parametrize(
    ("name", "old", "new", "reruns"),
    [
        (
            "studies/iou/curve.py",
            "return intersection / (",
            "return 1 * intersection / (",
            AFTER_IOU,
        ),
        ("studies/ablation/measure.py", '"none", 0))', '"none", 1))', AFTER_ABLATION),
        (
            "studies/networks/figures.py",
            '"test accuracy, a line per seed"',
            '"accuracy, a line per seed"',
            {"draw_training", "write_manifest", "write_report"},
        ),
        ("studies/iou/curve.py", '"""Trapezoidal area', '"""The trapezoidal area', set()),
    ],
    ids=["iou", "ablation", "figure", "docstring"],
)
def test_an_edit_reruns_the_stages_that_use_it_and_no_others(finished, name, old, new, reruns):
    assert planned(finished) == set()
    finished.edit(f"workflow/vebi/{name}", old, new)
    assert planned(finished) == reruns


def test_touch_reruns_nothing(finished):
    for path in (finished.folder / "workflow/vebi").rglob("*.py"):
        path.touch()
    assert planned(finished) == set()


def test_a_new_setting_reruns_only_what_depends_on_it(finished):
    finished.edit("config/smoke.yaml", "ablation:\n  repeats: 2", "ablation:\n  repeats: 3")
    assert planned(finished) == AFTER_ABLATION


def results_to_show(run):
    """Names of all figures and tables of a run."""
    return {path.name for part in ("figures/*.png", "tables/*.csv") for path in run.glob(part)}


def test_the_report_shows_every_figure_and_table(smoke):
    page = (smoke.folder / "results/smoke/report.html").read_text(encoding="utf-8")
    for name in results_to_show(smoke.folder / "results/smoke") - {"claims.csv"}:
        stem, kind = name.split(".")
        mark = f'id="figure-{stem}"' if kind == "png" else f'data-table="{stem}"'
        assert page.count(mark) == 1, name
    with (smoke.folder / "results/smoke/tables/claims.csv").open() as stream:
        claims = [row["claim_id"] for row in csv.DictReader(stream)]
    assert set(re.findall(r'<details class="claim" id="claim-([^"]+)"', page)) == set(claims)
    assert 'id="others"' not in page, "a figure or table belongs to no study"


def test_snakemakes_own_report_needs_no_network_and_holds_every_figure_and_table(finished):
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    finished.snakemake("--cores", "1", "--report", "own.zip", *SMOKE, **nowhere)
    with zipfile.ZipFile(finished.folder / "own.zip") as file:
        names = {name.rsplit("/", 1)[-1] for name in file.namelist()}
        page = file.read("own/report.html").decode()
    assert results_to_show(finished.folder / "results/smoke") <= names
    for study in STUDIES:
        assert study.section or study.title in page
    assert "Overlap of maps and masks" in page, "captions"
    assert "an8Flower-double-12c with distractors, strided network" in page, "names for people"


def test_a_lost_result_is_made_again_with_the_same_bytes(finished):
    table = finished.folder / "results/smoke/tables/iou_auc.csv"
    before = table.read_bytes()
    table.unlink()
    done = finished.snakemake("--cores", "2", *SMOKE)
    assert re.search(r"^tabulate_iou +1$", done.stdout + done.stderr, re.MULTILINE)
    assert table.read_bytes() == before


def run_vebi(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "vebi.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_finished_run_verifies_and_equals_itself(smoke):
    run = smoke.folder / "results/smoke"
    assert run_vebi("verify", run)[0] == 0
    assert run_vebi("diff", run, run)[0] == 0


def test_a_changed_byte_is_found(finished):
    table = finished.folder / "results/smoke/tables/iou_auc.csv"
    table.write_bytes(table.read_bytes().replace(b"0.", b"1.", 1))
    code, output = run_vebi("verify", finished.folder / "results/smoke")
    assert code == 1
    assert "iou_auc.csv" in output


@pytest.mark.parametrize(
    ("dataset", "model"),
    [("an8flower-double-12c-distractors", "an8flower-strided"), ("digits", "matconvnet-digits")],
)
def test_explaining_an_image_file_agrees_with_the_run(smoke, tmp_path, dataset, model):
    run = smoke.folder / "results/smoke"
    with h5py.File(run / f"data/{dataset}/dataset.h5") as file:
        pixels, classes = file["images"][7], list(file.attrs["classes"])
    Image.fromarray(pixels.squeeze()).save(tmp_path / "a.png")
    with h5py.File(run / f"descriptors/{dataset}/{model}/seed0/descriptors.h5") as file:
        expected = classes[file["predictions"][7]]
    chosen = ("--run", run, "--dataset", dataset, "--model", model)
    code, output = run_vebi("explain", tmp_path / "a.png", *chosen, "--out", tmp_path / "out")
    assert code == 0, output
    content = json.loads((tmp_path / "out/explanation.json").read_text())
    assert content["images"][0]["predicted"] == expected
    features = content["images"][0]["features"]
    assert 1 <= len(features) <= 3
    shares = [feature["share"] for feature in features]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= 1 + 1e-9
    assert (tmp_path / "out/explanation.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--dataset", "roses", "--model", "m"], "no network 'm' trained on 'roses'"),
        (["--dataset", "digits", "--model", "matconvnet-digits", "--seed", "9"], "no seed 9"),
        (["--dataset", "digits", "--model", "matconvnet-digits", "--mu", "1e9"], "mu = "),
        (["--dataset", "digits", "--model", "matconvnet-digits", "--method", "x"], "'x'"),
        (["--dataset", "digits", "--model", "matconvnet-digits"], "can't be read as an image"),
    ],
)
def test_explain_says_what_is_wrong(smoke, tmp_path, arguments, says):
    if says == "can't be read as an image":
        (tmp_path / "a.png").write_text("no image")
    else:
        Image.new("L", (28, 28)).save(tmp_path / "a.png")
    run = smoke.folder / "results/smoke"
    code, output = run_vebi("explain", tmp_path / "a.png", "--run", run, *arguments)
    assert code == 2
    assert says in output
    assert "Traceback" not in output
