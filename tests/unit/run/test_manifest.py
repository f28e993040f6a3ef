"""The manifest holds what decided a run, is canonical, and tells broken files from whole ones."""

import json
import math
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vebi.diff.manifests import SECTIONS, compare_manifests
from vebi.io.errors import VebiError
from vebi.io.files import sha256
from vebi.run.checksums import record
from vebi.run.manifest import (
    build_manifest,
    canonical_json,
    read_benchmarks,
    read_manifest,
    run_verify,
    verify_run,
    versions,
    write_manifest,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@pytest.fixture
def run(tmp_path):
    root = tmp_path / "results" / "default"
    (root / "tables").mkdir(parents=True)
    (root / "logs").mkdir()
    (root / "tables" / "training.csv").write_text("dataset,model\n")
    (root / "tables" / "größe.csv").write_text("a,b\n")
    (root / "logs" / "train.log").write_text("noise")
    (root / ".hidden").write_text("noise")
    (root / "report.html").write_text("made from the manifest")
    return root


def build(run, **changes):
    arguments = {
        "config": {"run": "default", "mu": [5, 10], "rate": 1e-3, "compute_threads": 1},
        "package_digest": "0" * 64,
        "seeds": [1, 0],
        "device": "cpu",
    }
    return build_manifest(run, **(arguments | changes))


@given(JSON)
def test_canonical_json_is_one_way_to_write_a_value(value):
    text = canonical_json(value)
    again = json.loads(text)
    assert canonical_json(again) == text
    assert "NaN" not in text.replace('"', "") or "NaN" in str(value)


def test_canonical_json_of_python_values():
    value = {"b": (1, 2), "a": {3, 1}, "p": Path("x/y"), "n": math.nan, "i": [math.inf]}
    plain = {"a": [1, 3], "b": [1, 2], "i": [None], "n": None, "p": "x/y"}
    assert json.loads(canonical_json(value)) == plain
    assert canonical_json({"b": 1, "a": 2}) == canonical_json({"a": 2, "b": 1})
    with pytest.raises(TypeError, match="bytes has no place"):
        canonical_json({"x": b""})


def test_manifest(run):
    manifest = build(run)
    assert manifest["results"] == {
        f"tables/{name}": {
            "bytes": (run / "tables" / name).stat().st_size,
            "sha256": sha256(run / "tables" / name),
        }
        for name in ("größe.csv", "training.csv")
    }
    assert manifest["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "numpy" in manifest["versions"]
    assert manifest["seeds"] == [0, 1]
    assert manifest["machine"]["cpu"]
    assert set(SECTIONS) <= set(manifest)
    # No time of day in it: a second one is the same bytes.
    assert canonical_json(build(run)) == canonical_json(manifest)
    path = run / "manifest.json"
    write_manifest(path, manifest)
    assert canonical_json(build(run)) == path.read_text(encoding="utf-8")


def test_what_varies_stands_apart(run, tmp_path):
    one = build(run)
    (run / "benchmarks").mkdir()
    (run / "benchmarks" / "train.tsv").write_text("s\tmax_rss\n1.5\t100\n")
    two = build(run, cores=2)
    assert {key for key in one if one[key] != two[key]} == {"machine", "measured"}
    other = build(run, seeds=[5], device="cuda", package_digest="1" * 64)
    write_manifest(tmp_path / "1.json", one)
    write_manifest(tmp_path / "2.json", other)
    changes, _ = compare_manifests(tmp_path / "1.json", tmp_path / "2.json")
    assert {change.section for change in changes} == {"package", "seeds", "device"}


def test_a_result_lies_in_the_run(run, tmp_path):
    (tmp_path / "other").write_text("")
    with pytest.raises(VebiError, match="is not below"):
        build(run, files=[tmp_path / "other"])


def test_versions_of_the_rendering_environment(tmp_path):
    folder = tmp_path / "env" / "lib" / "python3.11" / "site-packages" / "bpy-4.5.15.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: bpy\nVersion: 4.5.15\n")
    found = versions(tmp_path / "env")
    assert found["render/bpy"] == "4.5.15"
    assert versions(tmp_path / "nowhere") == versions()
    assert list(found) == sorted(found)


def test_benchmarks(tmp_path):
    (tmp_path / "train" / "digits").mkdir(parents=True)
    (tmp_path / "train" / "digits" / "0.tsv").write_text("s\th:m:s\tmax_rss\n2.5\t0:00:02\t300.5\n")
    (tmp_path / "train" / "digits" / "1.tsv").write_text("s\th:m:s\tmax_rss\n4.0\t0:00:04\t200.0\n")
    (tmp_path / "plot.tsv").write_text("s\th:m:s\tmax_rss\n0.01\t0:00:00\tNA\n0.02\t0:00:00\t-\n")
    (tmp_path / "x.tsv").write_text("s\tmax_rss\trule_name\tparams\n1\t2\trender\t\"it's\\n\n")
    (tmp_path / "empty.tsv").write_text("")
    assert read_benchmarks(tmp_path) == {
        "plot": {"jobs": 2, "seconds": 0.03, "longest_seconds": 0.02, "max_rss_mb": None},
        "render": {"jobs": 1, "seconds": 1.0, "longest_seconds": 1.0, "max_rss_mb": 2.0},
        "train": {"jobs": 2, "seconds": 6.5, "longest_seconds": 4.0, "max_rss_mb": 300.5},
    }


def test_verify(run, capsys):
    write_manifest(run / "manifest.json", build(run))
    assert verify_run(run) == []
    assert run_verify(run) == 0
    assert "All 2 files" in capsys.readouterr().out
    # What is not in the manifest is nobody's promise.
    (run / "notes.txt").write_text("mine")
    assert verify_run(run) == []

    table = run / "tables" / "training.csv"
    table.write_text("dataset,modeL\n")
    [problem] = verify_run(run)
    assert problem.path == table
    assert "checksum differs" in problem.what
    assert str(table) in problem.remedy
    table.write_text("dataset")
    assert "7 bytes, but 14 were written" in verify_run(run)[0].what
    table.unlink()
    (run / "tables" / "größe.csv").unlink()
    (run / "tables" / "größe.csv").mkdir()
    assert [problem.what for problem in verify_run(run)] == ["missing", "missing"]
    assert run_verify(run) == 1
    assert "2 of 2 files" in capsys.readouterr().out


@pytest.mark.parametrize("place", range(14))
def test_every_flipped_bit_is_found(run, place):
    write_manifest(run / "manifest.json", build(run))
    table = run / "tables" / "training.csv"
    raw = bytearray(table.read_bytes())
    raw[place] ^= 1
    table.write_bytes(raw)
    assert len(verify_run(run)) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not there"),
        (b"", "broken"),
        (b"{", "broken"),
        (b"\xff\xfe", "broken"),
        (b"[" * 100_000, "broken"),
        (b"[]", "no manifest of format"),
        (b'{"format": 1}', "no manifest of format"),
        (b'{"format": 9, "results": {}}', "no manifest of format"),
        (b'{"format": 1, "results": {"../../etc/passwd": {}}}', "outside the run"),
        (b'{"format": 1, "results": {"/etc/passwd": {}}}', "outside the run"),
        (b'{"format": 1, "results": {"": {}}}', "outside the run"),
        (b'{"format": 1, "results": {".": {}}}', "the folder itself"),
        (b'{"format": 1, "results": {"./": {}}}', "the folder itself"),
        (b'{"format": 1, "results": {"x": 1}}', "no size or checksum"),
        (b'{"format": 1, "results": {"x": {"sha256": "0", "bytes": "1"}}}', "no size or checksum"),
    ],
)
def test_broken_manifest(run, content, message, capsys):
    if content is not None:
        (run / "manifest.json").write_bytes(content)
    with pytest.raises(VebiError, match=message):
        read_manifest(run)
    assert run_verify(run) == 2
    assert "Traceback" not in capsys.readouterr().err


def listing(folder):
    """Everything below a folder, links not followed, with contents."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        if path.is_file() and not path.is_symlink()
        else path.is_symlink()
        for path in folder.rglob("*")
    }


def write_hostile_manifest(run, names):
    manifest = build(run, files=[])
    manifest["results"] = {name: {"bytes": 1, "sha256": "0" * 64} for name in names}
    write_manifest(run / "manifest.json", manifest)


@pytest.mark.parametrize("name", [".", "./", "..", "tables/..", "../victim", "tables/../../victim"])
def test_a_name_that_leads_out_removes_nothing(run, name, capsys):
    (run.parent / "victim").write_text("mine")
    write_hostile_manifest(run, [name, "tables/training.csv"])
    before = listing(run.parent)
    assert run_verify(run, remove=True) == 2
    assert "Don't trust this file" in capsys.readouterr().err
    assert listing(run.parent) == before


@pytest.mark.parametrize(
    "name",
    ["link/docs", "link/docs/a.txt", "link", "file-link", "docs", "tables", "dangling", "pipe"],
)
@pytest.mark.parametrize("is_inside", [True, False])
def test_only_regular_files_of_the_run_are_removed(run, name, is_inside, capsys):
    home = run if is_inside else run.parent
    (home / "docs").mkdir()
    (home / "docs/a.txt").write_text("mine")
    (run / "link").symlink_to(home)
    (run / "file-link").symlink_to(home / "docs/a.txt")
    (run / "dangling").symlink_to("nowhere")
    os.mkfifo(run / "pipe")
    write_hostile_manifest(run, [name])
    before = listing(run.parent)
    assert run_verify(run, remove=True) == 1
    output = capsys.readouterr().out
    assert listing(run.parent) == before
    is_there = os.path.lexists(run / name)
    assert (f"{run / name}: not deleted" in output) == is_there
    assert ("Deleted" in output) != is_there


def test_links_of_an_unfinished_run_are_not_followed(run, tmp_path, capsys):
    victim = tmp_path / "docs"
    victim.mkdir()
    (victim / "a.txt").write_text("mine")
    (run / "link").symlink_to(tmp_path)
    text = run / ".checksums/link/docs.sha256"
    text.parent.mkdir(parents=True)
    text.write_text(f"{'0' * 64}  docs/a.txt\n")
    assert run_verify(run, remove=True) == 1
    assert "behind the link" in capsys.readouterr().out
    assert (victim / "a.txt").read_text() == "mine"


def test_what_a_run_did_not_write_keeps_its_folder(run, capsys):
    sheets = run / "figures/sheets"
    (sheets / "deep").mkdir(parents=True)
    for name in ("1.png", "deep/2.png"):
        (sheets / name).write_text(name)
    record([sheets], run)
    write_manifest(run / "manifest.json", build(run))
    (sheets / ".snakemake_timestamp").touch()
    (sheets / "notes.txt").write_text("mine")
    (sheets / "1.png").write_text("damaged")
    assert run_verify(run, remove=True) == 1
    assert f"{sheets}: not deleted" in capsys.readouterr().out
    assert (sheets / "notes.txt").read_text() == "mine"
    assert not (sheets / "1.png").exists()
    (sheets / "notes.txt").unlink()
    assert run_verify(run, remove=True) == 1
    assert f"{sheets} all\n" in capsys.readouterr().out
    assert not sheets.exists()


def test_the_run_itself_may_be_a_link(run, tmp_path):
    write_manifest(run / "manifest.json", build(run))
    (tmp_path / "short").symlink_to(run)
    assert verify_run(tmp_path / "short") == []
    (run / "tables/training.csv").write_text("damaged")
    assert run_verify(tmp_path / "short", remove=True) == 1
    assert not (run / "tables/training.csv").exists()
    assert (run / "tables/größe.csv").exists()


def test_a_manifest_that_is_a_fifo_is_refused(run, capsys):
    os.mkfifo(run / "manifest.json")
    assert run_verify(run) == 2
    assert "not a regular file" in capsys.readouterr().err


def test_no_such_run(tmp_path):
    with pytest.raises(VebiError, match="no such folder"):
        verify_run(tmp_path / "nowhere")


def test_a_run_that_is_not_finished_is_checked_by_what_its_jobs_wrote(run, capsys):
    table = run / "tables" / "training.csv"
    record([table], run)
    assert run_verify(run) == 0
    output = capsys.readouterr().out
    assert "not finished" in output
    assert "All 1 files" in output
    table.write_text("damaged")
    assert run_verify(run) == 1
    assert f"{table}: its content has changed" in capsys.readouterr().out


def test_what_was_made_anew_after_the_manifest_is_whole(run):
    write_manifest(run / "manifest.json", build(run))
    table = run / "tables" / "training.csv"
    table.write_text("other numbers")
    assert len(verify_run(run)) == 1
    record([table], run)
    assert verify_run(run) == []


def test_what_is_broken_is_removed_with_what_snakemake_makes_it_by(run, capsys):
    figures = run / "figures"
    (figures / "sheets").mkdir(parents=True)
    for name in ("a.png", "a.pdf", "sheets/1.png", "sheets/2.png"):
        (figures / name).write_text(name)
    record([figures / "a.png", figures / "sheets"], run)
    write_manifest(run / "manifest.json", build(run))
    (figures / "a.pdf").write_text("damaged")
    (figures / "sheets/1.png").write_text("damaged")
    assert run_verify(run, remove=True) == 1
    output = capsys.readouterr().out
    command = f"snakemake --cores all {figures / 'a.png'} {figures / 'sheets'} all"
    assert output.endswith(f"Deleted. Make them again, with the run's --configfile: {command}\n")
    assert not (figures / "a.png").exists()
    assert not (figures / "a.pdf").exists()
    assert not (figures / "sheets").exists()
    assert (run / "tables" / "training.csv").exists()


@pytest.mark.parametrize("name", ["../../victim", "/etc/hostname", "training.csv/../../../victim"])
def test_checksums_from_a_stranger_lead_to_no_other_file(run, tmp_path, name):
    (tmp_path / "victim").write_text("mine")
    text = run / ".checksums/tables/training.csv.sha256"
    text.parent.mkdir(parents=True)
    text.write_text(f"{'0' * 64}  {name}\n")
    assert verify_run(run) == []
    run_verify(run, remove=True)
    assert (tmp_path / "victim").read_text() == "mine"
