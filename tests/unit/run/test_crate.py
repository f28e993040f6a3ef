"""A run exported as an RO-Crate: complete, true, and the same bytes every time."""

import json
import re
import zipfile
from datetime import date

import pytest

from vebi.diff import compare
from vebi.io.errors import VebiError
from vebi.io.files import sha256
from vebi.run import crate as crates
from vebi.run.checksums import record
from vebi.run.code_digest import package_digest
from vebi.run.crate import METADATA, write_crate
from vebi.run.manifest import build_manifest, write_manifest

DAY = date(2020, 2, 29)
CONFIG = {"run": "r", "seeds": [0, 1], "compute_threads": 1}
TABLE = "dataset,model,seed,epochs,train_accuracy,test_accuracy\nd,m,0,3,1.0,0.9\n"


def make_run(folder, digest):
    for name in ("tables/training.csv", "figures/training.png", "models/m.pt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TABLE if name.endswith(".csv") else name)
    manifest = build_manifest(
        folder, config=CONFIG, seeds=[0, 1], package_digest=digest, device="cpu"
    )
    manifest["versions"] = {"python": "3.11.7", "numpy": "2.4.6", "render/bpy": "4.5.15"}
    write_manifest(folder / "manifest.json", manifest)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "r", package_digest())


@pytest.fixture(scope="module")
def crate(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("crates") / "crate"
    assert write_crate(run, folder, published=DAY) == []
    return folder


def graph_of(folder):
    return {e["@id"]: e for e in json.loads((folder / METADATA).read_text())["@graph"]}


def ids(value):
    return {item["@id"] for item in (value if isinstance(value, list) else [value])}


def test_every_file_is_described_with_its_checksum(crate):
    graph = graph_of(crate)
    files = {str(p.relative_to(crate)) for p in crate.rglob("*") if p.is_file()} - {METADATA}
    described = {name for name, e in graph.items() if "File" in e["@type"]}
    assert described == files == ids(graph["./"]["hasPart"])
    for name in files - {"Snakefile"}:
        assert graph[name]["sha256"] == sha256(crate / name)
        assert int(graph[name]["contentSize"]) == (crate / name).stat().st_size


def test_it_says_what_was_run_on_what_with_what(crate, run):
    graph = graph_of(crate)
    assert graph[METADATA]["about"] == {"@id": "./"}
    profiles = ids(graph["./"]["conformsTo"])
    assert "https://w3id.org/ro/wfrun/workflow/0.5" in profiles
    workflow = graph[graph["./"]["mainEntity"]["@id"]]
    assert workflow["@id"] == "Snakefile"
    assert set(workflow["@type"]) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert workflow["identifier"] == package_digest()
    used = {graph[i]["name"]: graph[i] for i in ids(workflow["softwareRequirements"])}
    assert used["numpy"]["softwareVersion"] == "2.4.6"
    assert used["render/bpy"]["url"] == "https://pypi.org/project/bpy/4.5.15/"
    action = graph["#run"]
    assert ids(action["instrument"]) == {"Snakefile"}
    assert ids(action["object"]) == {"config.json"}
    assert ids(action["result"]) == {"tables/training.csv", "figures/training.png", "manifest.json"}
    assert json.loads((crate / "config.json").read_text()) == CONFIG
    # Every reference leads to an entity of the crate, or out to the web.
    for entity in graph.values():
        for value in entity.values():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict):
                    assert item["@id"] in graph or item["@id"].startswith("https://")


def test_the_only_date_is_the_one_that_the_standard_requires(crate):
    text = (crate / METADATA).read_text()
    assert re.findall(r"\d{4}-\d\d-\d\d[^\"]*", text) == ["2020-02-29"]


def test_same_run_same_bytes_and_the_archive_is_compared_like_the_run(run, tmp_path):
    for name in ("a.zip", "b.zip"):
        write_crate(run, tmp_path / name, published=DAY, everything=True)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert archive.read("models/m.pt") == b"models/m.pt"
    report = compare(tmp_path / "a.zip", run)
    assert report.exit_code == 0
    assert {result.name for result in report.files} >= {"tables/training.csv", "models/m.pt"}
    assert report.only_b == []


def test_the_day_is_the_manifest_s_or_the_environment_s(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    write_crate(run, tmp_path / "crate")
    assert graph_of(tmp_path / "crate")["./"]["datePublished"] == "1970-01-02"


def test_without_the_code_that_made_it_no_workflow_is_claimed(tmp_path):
    other = make_run(tmp_path / "r", "0123456789abcdef")
    (remark,) = write_crate(other, tmp_path / "crate", published=DAY)
    assert "not the code that made this run" in remark
    graph = graph_of(tmp_path / "crate")
    assert not (tmp_path / "crate/Snakefile").exists()
    assert "mainEntity" not in graph["./"]
    assert ids(graph["./"]["conformsTo"]) == {"https://w3id.org/ro/wfrun/process/0.5"}
    assert graph["#vebi"]["identifier"] == "0123456789abcdef"


def test_what_is_not_the_run_is_refused(tmp_path, crate):
    other = make_run(tmp_path / "r", "x")
    with pytest.raises(VebiError, match="is there already"):
        write_crate(other, crate)
    (other / "tables/training.csv").write_text(TABLE.replace("0.9", "0.99"))
    with pytest.raises(VebiError, match="has changed since the run wrote it"):
        write_crate(other, tmp_path / "crate")
    (other / "tables/training.csv").unlink()
    with pytest.raises(VebiError, match="is missing"):
        write_crate(other, tmp_path / "crate")
    with pytest.raises(VebiError, match=r"manifest\.json: not there"):
        write_crate(tmp_path, tmp_path / "crate")
    assert not (tmp_path / "crate").exists()
    assert not list(tmp_path.glob(".vebi-crate-*"))


@pytest.fixture
def reported(tmp_path):
    """A run with a report and checksums, as its jobs leave it."""
    folder = make_run(tmp_path / "r", "x")
    (folder / "report.html").write_text("<p>this run</p>")
    record([folder / "manifest.json", folder / "report.html"], folder)
    return folder


def test_a_report_as_it_was_written_is_inside(reported, tmp_path):
    assert len(write_crate(reported, tmp_path / "crate", published=DAY)) == 1
    assert (tmp_path / "crate/report.html").read_text() == "<p>this run</p>"


@pytest.mark.parametrize("name", ["report.html", "manifest.json"])
def test_a_page_or_manifest_that_was_tampered_with_is_refused(reported, tmp_path, name):
    text = (reported / name).read_text()
    (reported / name).write_text(text + " ")
    with pytest.raises(VebiError, match=f"{name}: has changed since"):
        write_crate(reported, tmp_path / "crate")
    assert not (tmp_path / "crate").exists()


@pytest.mark.parametrize("name", ["report.html", "manifest.json", "tables/training.csv", "tables"])
@pytest.mark.parametrize("has_checksums", [True, False])
def test_a_link_is_refused_even_to_the_same_content(reported, tmp_path, name, has_checksums):
    if not has_checksums:
        (reported / ".checksums").rename(tmp_path / "checksums")
    (reported / name).rename(tmp_path / "elsewhere")
    (reported / name).symlink_to(tmp_path / "elsewhere")
    if name == "report.html" and not has_checksums:
        assert "has no checksum" in write_crate(reported, tmp_path / "crate")[0]
        assert not (tmp_path / "crate/report.html").exists()
    else:
        with pytest.raises(VebiError, match=r"is a link|is behind the link"):
            write_crate(reported, tmp_path / "crate")
        assert not (tmp_path / "crate").exists()


def test_a_report_without_a_checksum_is_left_out_with_a_word(reported, tmp_path):
    (reported / ".checksums/report.html.sha256").unlink()
    remark, _ = write_crate(reported, tmp_path / "crate", published=DAY)
    assert "report.html has no checksum" in remark
    assert not (tmp_path / "crate/report.html").exists()
    assert "report.html" not in graph_of(tmp_path / "crate")


@pytest.mark.parametrize("name", ["crate", "crate.zip"])
def test_a_dangling_link_is_there_already(run, tmp_path, name):
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(VebiError, match="is there already"):
        write_crate(run, tmp_path / name)
    assert not (tmp_path / "nowhere").exists()


def test_links_in_the_workflow_are_left_out(tmp_path, monkeypatch):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("mine")
    for name in ("Snakefile", "LICENSE", "workflow/common.smk"):
        (tmp_path / "code" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "code" / name).write_text("x")
    (tmp_path / "code/workflow/key").symlink_to(tmp_path / "secret/key")
    (tmp_path / "code/envs").symlink_to(tmp_path / "secret")
    monkeypatch.setattr(crates, "ROOT", tmp_path / "code")
    assert crates._copy_code(tmp_path / "out") == ["Snakefile", "LICENSE", "workflow/common.smk"]
