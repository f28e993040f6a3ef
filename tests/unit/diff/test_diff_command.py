"""`vebi diff` from outside: folders, archives, exit codes, JSON and HTML."""

import html.parser
import io
import json
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from vebi.diff import Outcome, compare, run_diff, sources
from vebi.diff.sources import list_files
from vebi.io.errors import VebiError
from vebi.run.manifest import build_manifest

AUC = (
    "dataset,model,seed,method,auc,auc_ci_low,auc_ci_high,best_iou,n_images,"
    "auc_correct_only,n_correct\n"
)
TOLERANCES = (
    "file\tcolumn\tkind\tatol\trtol\twhy\n"
    "iou_auc.csv\tauc\tclose\t0.01\t\t\n"
    "*.h5\t*\tfollows\t\t\t\n*.png\t*\tfollows\t\t\t\n*.html\t*\tshow\t\t\t\n"
)


@pytest.fixture
def tolerances(tmp_path):
    path = tmp_path / "tolerances.tsv"
    path.write_text(TOLERANCES)
    return path


def make_run(root: Path, auc: float = 0.5, shade: int = 10, method: str = "vebi") -> Path:
    for folder in ("tables", "figures", "heatmaps", "logs"):
        (root / folder).mkdir(parents=True)
    row = f"digits,net,0,{method},{auc:.6f},0.4,0.6,0.7,10,{0.5:.6f},10\n"
    (root / "tables" / "iou_auc.csv").write_text(AUC + row)
    Image.new("RGB", (20, 10), (shade, 0, 0)).save(root / "figures" / "iou.png")
    with h5py.File(root / "heatmaps" / "vebi.h5", "w") as file:
        file["heatmaps"] = np.full((2, 3, 3), shade / 255, np.float32)
    (root / "logs" / "train.log").write_text(str(root))
    (root / "report.html").write_text(str(root))
    (root / "manifest.json").write_text(json.dumps({"config": {"mu": 10}, "seeds": [0]}))
    return root


@pytest.fixture
def runs(tmp_path):
    return make_run(tmp_path / "a"), make_run(tmp_path / "b")


def reference(run: Path, target: Path) -> Path:
    shutil.copytree(run / "tables", target / "tables")
    return target


def test_exit_codes(runs, tolerances, tmp_path, capsys):
    a, b = runs
    assert run_diff(a, b, tolerances) == 0
    assert "Alike: 4 files compared" in capsys.readouterr().out
    c = make_run(tmp_path / "c", auc=0.6)
    assert run_diff(a, c, tolerances) == 1
    assert "Different: 1 difference in 1 file" in capsys.readouterr().out
    (c / "tables" / "iou_auc.csv").write_text("")
    assert run_diff(a, c, tolerances) == 2
    assert "empty file" in capsys.readouterr().out
    assert run_diff(a, tmp_path / "nowhere", tolerances) == 2
    captured = capsys.readouterr()
    assert "no such folder" in captured.err
    assert "Traceback" not in captured.out + captured.err


def test_a_broken_file_does_not_hide_the_others(runs, tolerances, capsys):
    a, b = runs
    (b / "figures" / "iou.png").write_bytes(b"broken")
    text = (b / "tables" / "iou_auc.csv").read_text()
    (b / "tables" / "iou_auc.csv").write_text(text.replace("0.5", "0.9"))
    report = compare(a, b, tolerances)
    assert report.exit_code == 2
    assert {str(r.outcome) for r in report.files} >= {"could not compare", "different"}


def test_figures_follow_the_tables(runs, tolerances, tmp_path):
    a, _ = runs
    # The tables are the same: a changed figure or array is a difference.
    report = compare(a, make_run(tmp_path / "c", shade=11), tolerances)
    outcomes = {r.name: r.outcome for r in report.files}
    assert outcomes["figures/iou.png"] is Outcome.DIFFERENT
    assert outcomes["heatmaps/vebi.h5"] is Outcome.DIFFERENT
    assert outcomes["report.html"] is Outcome.LISTED
    # The numbers moved within tolerance: it is reported, and counted only by --strict.
    moved = make_run(tmp_path / "d", auc=0.505, shade=11)
    report = compare(a, moved, tolerances)
    assert report.exit_code == 0
    assert {r.name for r in report.files if r.outcome is Outcome.LISTED} == {
        "figures/iou.png",
        "heatmaps/vebi.h5",
        "report.html",
    }
    assert compare(a, moved, tolerances, strict=True).exit_code == 1


def test_a_reference_has_only_tables(runs, tolerances, tmp_path):
    small = reference(runs[0], tmp_path / "reference")
    for one, other in ((runs[1], small), (small, runs[1])):
        report = compare(one, other, tolerances)
        assert report.exit_code == 0
        assert sorted(report.only_a + report.only_b) == [
            "figures/iou.png",
            "heatmaps/vebi.h5",
            "report.html",
        ]
        assert compare(one, other, tolerances, strict=True).exit_code == 1
    assert compare(runs[1] / "tables", small, tolerances).exit_code == 0


def test_a_missing_table_is_a_difference(runs, tolerances):
    shutil.copy(runs[0] / "tables" / "iou_auc.csv", runs[0] / "tables" / "more.csv")
    for one, other in (runs, runs[::-1]):
        report = compare(one, other, tolerances)
        assert (report.exit_code, report.missing_tables) == (1, ["tables/more.csv"])


def test_a_table_that_is_left_out_on_purpose_is_said_and_no_difference(runs, tolerances):
    for name in ("more", "other"):
        shutil.copy(runs[0] / "tables" / "iou_auc.csv", runs[0] / "tables" / f"{name}.csv")
    (runs[1] / "left_out.txt").write_text("tables/more.csv\ntables/absent.csv\n")
    for one, other in (runs, runs[::-1]):
        report = compare(one, other, tolerances)
        assert (report.exit_code, report.missing_tables) == (1, ["tables/other.csv"])
        assert report.notes[-1] == "Left out of one side on purpose: tables/more.csv."
        assert not any("left_out.txt" in name for name in report.only_a + report.only_b)
        assert compare(one, other, tolerances, strict=True).missing == 2
    (runs[0] / "tables" / "other.csv").unlink()
    assert compare(runs[0], runs[1], tolerances).exit_code == 0
    # A table that both have is compared, whatever is said of it.
    shutil.copy(runs[0] / "tables" / "more.csv", runs[1] / "tables" / "more.csv")
    text = (runs[1] / "tables" / "more.csv").read_text()
    (runs[1] / "tables" / "more.csv").write_text(text.replace("0.5", "0.9"))
    assert compare(runs[0], runs[1], tolerances).exit_code == 1


def test_provenance_is_listed_apart(runs, tolerances, capsys):
    manifest = {"config": {"mu": 20}, "seeds": [0, 1], "measured": {"s": 1}, "results": {"x": 1}}
    (runs[1] / "manifest.json").write_text(json.dumps(manifest))
    report = compare(runs[0], runs[1], tolerances)
    assert report.exit_code == 0
    assert [(c.section, c.entry, c.a, c.b) for c in report.provenance] == [
        ("config", "mu", "10", "20"),
        ("seeds", "1", "absent", "1"),
    ]
    for broken in (b"", b"[]", b"{", b"[" * 100_000, b"\xff"):
        (runs[1] / "manifest.json").write_bytes(broken)
        report = compare(runs[0], runs[1], tolerances)
        assert (report.exit_code, report.provenance) == (0, [])
        assert "Provenance" in report.notes[0] or "provenance" in report.notes[0]


def test_single_files(runs, tolerances, tmp_path):
    for name in ("tables/iou_auc.csv", "heatmaps/vebi.h5", "figures/iou.png"):
        assert run_diff(runs[0] / name, runs[1] / name, tolerances) == 0
    assert run_diff(runs[0], runs[1] / "report.html", tolerances) == 2


def archive(run: Path, path: Path, inside: str = "results/default") -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            for file in sorted(run.rglob("*")):
                target.write(file, f"{inside}/{file.relative_to(run)}")
        return path
    modes = {"gz": "w:gz", "xz": "w:xz", "bz2": "w:bz2", "tar": "w", "tgz": "w:gz"}
    with tarfile.open(path, modes[path.name.rpartition(".")[2]]) as target:
        target.add(run, inside)
    return path


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tgz", "x.tar.xz", "x.tar.bz2", "x.tar"])
def test_archives(runs, tolerances, tmp_path, name):
    packed = archive(runs[0], tmp_path / name)
    assert run_diff(packed, runs[1], tolerances) == 0
    assert run_diff(make_run(tmp_path / "c", auc=0.6), packed, tolerances) == 1
    packed.write_bytes(packed.read_bytes()[:200])
    assert run_diff(runs[1], packed, tolerances) == 2


def test_a_flipped_bit_in_an_archive_is_found(runs, tmp_path):
    packed = archive(runs[0], tmp_path / "x.tar.gz")
    raw = packed.read_bytes()

    def content() -> list[tuple[str, bytes]]:
        with sources.opened(packed) as folder:
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            return [(str(path.relative_to(folder)), path.read_bytes()) for path in files]

    intact, unnoticed = content(), 0
    # The ten bytes of gzip's header say nothing about the content.
    places = range(40, len(raw), 29)
    for place in places:
        packed.write_bytes(raw[:place] + bytes([raw[place] ^ 4]) + raw[place + 1 :])
        try:
            # A flip may spell the same run of zeros in another way: then nothing is broken.
            assert content() == intact
            unnoticed += 1
        except VebiError as error:
            if "broken archive" not in str(error):
                raise
    assert unnoticed <= len(places) // 10


def tar_with(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as target:
        for info, data in members:
            info.size = len(data)
            target.addfile(info, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "name", ["../out.csv", "/out.csv", "a/../../out.csv", "..\\out.csv", "C:/x"]
)
def test_archives_stay_in_their_folder(tmp_path, name):
    packed = tar_with(tmp_path / "x.tar.gz", (member(name), b"out"))
    with pytest.raises(VebiError, match="points out of"), sources.opened(packed):
        pass
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as target:
        target.writestr(name, "out")
    with pytest.raises(VebiError, match="points out of"), sources.opened(tmp_path / "x.zip"):
        pass
    assert not list(tmp_path.parent.glob("**/out.csv"))


def test_archives_bring_no_links_or_devices(tmp_path):
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        packed = tar_with(tmp_path / "x.tar.gz", (member("tables", kind, "/etc"), b""))
        with pytest.raises(VebiError, match="link or a device"), sources.opened(packed):
            pass
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as target:
        info = zipfile.ZipInfo("tables")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        target.writestr(info, "/etc")
    with pytest.raises(VebiError, match="is a link"), sources.opened(tmp_path / "x.zip"):
        pass


def test_bombs_are_defused(tmp_path, monkeypatch):
    zeros = bytes(3 << 20)
    packed = tar_with(tmp_path / "x.tar.gz", (member("tables/x.csv"), zeros))
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("tables/x.csv", zeros)
    for path in (packed, tmp_path / "x.zip"):
        with pytest.raises(VebiError, match="unpacks to more than"), sources.opened(path, 1 << 20):
            pass
        with sources.opened(path, 4 << 20) as root:
            assert (root / "tables" / "x.csv").stat().st_size == len(zeros)
        assert not root.exists()
    # A header that has to be read in one piece.
    long = tarfile.TarInfo("tables/x.csv")
    long.pax_headers = {"comment": "x" * (17 << 20)}
    with tarfile.open(tmp_path / "y.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as target:
        target.addfile(long)
    with pytest.raises(VebiError, match="too long"), sources.opened(tmp_path / "y.tar.gz"):
        pass
    monkeypatch.setattr(sources, "MEMBER_LIMIT", 2)
    many = tar_with(tmp_path / "z.tar.gz", *((member(str(i)), b"") for i in range(3)))
    with pytest.raises(VebiError, match="more than 2 files"), sources.opened(many):
        pass


def test_a_zip_may_lie_about_its_size(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("tables/x.csv", bytes(3 << 20))
    raw = path.read_bytes()
    path.write_bytes(raw.replace((3 << 20).to_bytes(4, "little"), (9).to_bytes(4, "little")))
    with pytest.raises(VebiError), sources.opened(path, 1 << 20):
        pass


def test_odd_folders(runs, tolerances, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run_diff(runs[0], empty, tolerances) == 2
    assert "no result files" in capsys.readouterr().err
    os.mkfifo(runs[1] / "tables" / "pipe.csv")
    (runs[1] / "loop").symlink_to(runs[1])
    (runs[1] / ".hidden").write_text("x")
    assert run_diff(runs[0], runs[1], tolerances) == 0
    assert run_diff(runs[1] / "tables" / "pipe.csv", runs[0], tolerances) == 2
    assert "neither a folder nor a regular file" in capsys.readouterr().err


def test_names_that_are_no_utf8(runs, tolerances, tmp_path, capsys):
    with open(os.fsencode(runs[1]) + b"/\xff\x1b[31m.txt", "w") as stream:  # noqa: PTH123
        stream.write("x")
    assert (
        run_diff(
            runs[0],
            runs[1],
            tolerances,
            json_path=tmp_path / "o.json",
            html_path=tmp_path / "o.html",
        )
        == 0
    )
    assert "\x1b[31m" not in capsys.readouterr().out


def test_broken_tolerances_and_outputs(runs, tmp_path, capsys):
    (tmp_path / "t.tsv").write_text("nonsense")
    assert run_diff(runs[0], runs[1], tmp_path / "t.tsv") == 2
    assert run_diff(runs[0], runs[1], tmp_path / "missing.tsv") == 2
    (tmp_path / "file").write_text("")
    assert run_diff(runs[0], runs[1], None, json_path=tmp_path / "file" / "o.json") == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert "unexpected" not in captured.err


def test_json(runs, tolerances, tmp_path, capsys):
    c = make_run(tmp_path / "c", auc=0.6)
    assert run_diff(runs[0], c, tolerances, json_path=Path("-")) == 1
    out = json.loads(capsys.readouterr().out)
    assert out["exit_code"] == 1
    [changed] = [f for f in out["files"] if f["outcome"] == "different"]
    assert changed["name"] == "tables/iou_auc.csv"
    [finding] = changed["findings"]
    assert (finding["column"], finding["a"], finding["b"]) == ("auc", "0.500000", "0.600000")
    assert finding["difference"] == pytest.approx(0.1)
    # Two runs of the same comparison write the same bytes.
    for name in ("1.json", "2.json"):
        run_diff(runs[0], c, tolerances, json_path=tmp_path / name)
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()


class Page(html.parser.HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.open, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_html_is_whole_alone_and_safe(runs, tolerances, tmp_path):
    bad = "<script>alert(1)</script><img src=x onerror=alert(1)>'\"&"
    c = make_run(tmp_path / "c", method=bad.replace('"', '""').join('""'), shade=40)
    page_path = tmp_path / "o.html"
    assert run_diff(runs[0], c, tolerances, html_path=page_path) == 1
    text = page_path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert bad in page.text
    # Both sides of the figure and where they differ, and nothing from outside.
    assert len(page.links) == 3
    assert all(link.startswith("data:image/png;base64,") for link in page.links)


def test_terminal_shows_markup_and_control_characters_as_text(runs, tolerances, tmp_path, capsys):
    c = make_run(tmp_path / "c", method="[red]x[/]\x1b[2J")
    assert run_diff(runs[0], c, tolerances) == 1
    out = capsys.readouterr().out
    assert "[red]x[/]" in out
    assert "\x1b[2J" not in out


def test_what_is_a_result_is_the_same_to_the_manifest_and_to_diff(tmp_path):
    """A file that was set aside as damaged, a log and a hidden file are results to neither."""
    for name in (
        "tables/a.csv",
        "x.h5",
        "x.h5.broken",
        "logs/a.log",
        "b.part",
        ".lock",
        "sub/.a/b",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    config = {"compute_threads": 1}
    manifest = build_manifest(tmp_path, config=config, package_digest="", seeds=[0], device="cpu")
    assert list(list_files(tmp_path)) == sorted(manifest["results"]) == ["tables/a.csv", "x.h5"]
