"""Files next to the code, for people and services: make's targets, citation, hooks, licence."""

import os
import re
import subprocess

import pytest
import yaml

import vebi


def make(root, *arguments):
    """What a call of make would run."""
    # These tests may be run by make themselves: a make below it would write which folder it is in.
    own = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(
        ["make", "-n", *arguments], cwd=root, capture_output=True, text=True, check=False, env=own
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("config", "run"), [("config/config.yaml", "default"), ("config/smoke.yaml", "smoke")]
)
def test_make_verify_runs_and_then_compares_with_the_committed_reference(root, config, run):
    lines = make(root, "verify", f"CONFIG={config}")
    assert lines[-1] == f".venv/bin/vebi diff results/{run} results/reference/{run}"
    (call,) = [line for line in lines if "bin/snakemake --cores" in line]
    assert (f"--configfile {config}" in call) == (run != "default")


def test_make_help_names_targets_that_exist(root):
    text = (root / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)[1].split())
    helped = set(re.findall(r'@echo "make (\S+)', text))
    assert (
        {"quick", "reproduce", "test", "smoke", "bench", "verify", "check", "docs"}
        <= helped
        <= phony
    )


def test_the_reference_of_the_default_run_is_there_to_compare_with(root):
    tables = {path.stem for path in (root / "results/reference/default/tables").glob("*.csv")}
    assert {"training", "selection", "ablation", "iou_auc", "occlusion", "sanity"} <= tables


def test_the_tables_of_the_reference_stay_below_12_mb(root):
    tables = list((root / "results/reference").rglob("*.csv"))
    assert len(tables) > 100
    assert sum(table.stat().st_size for table in tables) < 12e6


def test_what_the_reference_leaves_out_is_named(root):
    for path in (root / "results/reference").rglob("left_out.txt"):
        for name in path.read_text(encoding="utf-8").split():
            assert not (path.parent / name).exists(), path


def test_citation_names_this_version_and_the_works(root):
    cited = yaml.safe_load((root / "CITATION.cff").read_text())
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "license"} <= set(cited)
    assert str(cited["version"]) == vebi.__version__
    vebi_paper, resampling, report = cited["references"]
    assert vebi_paper["url"] == "https://arxiv.org/abs/1712.06302"
    assert resampling["url"] == "https://arxiv.org/abs/1707.09641"
    assert "McGill" in report["institution"]["name"]


def test_catalogue_hooks_and_licence(root):
    catalogue = yaml.safe_load((root / ".snakemake-workflow-catalog.yml").read_text())
    assert catalogue["usage"]["report"] is True
    assert catalogue["usage"]["software-stack-deployment"]["conda"] is True
    assert "--cores" in catalogue["usage"]["mandatory-flags"]["flags"]
    hooks = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == ["make check"]
    assert "MIT License" in (root / "LICENSE").read_text()
    assert f"## {vebi.__version__}\n" in (root / "CHANGELOG.md").read_text()


PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "config/README.md",
    "examples/README.md",
    "docs/**/*.md",
)


def test_links_between_the_pages_lead_somewhere(root):
    """Files and headings of this repository that a page links to, and the pages' figures."""
    seen = 0
    for page in (path for pattern in PAGES for path in root.glob(pattern)):
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            # Tutorials are pages of the site, made from a notebook of the same name.
            target = re.sub(r"(tutorials/.+)\.md", r"\1.py", target)
            if re.match(r"https?:|mailto:", target):
                continue
            file, _, heading = target.partition("#")
            found = (page.parent / file).resolve() if file else page
            assert found.exists(), f"{page.name}: {target}"
            assert found.is_relative_to(root.resolve()), f"{page.name}: {target}"
            if heading:
                lines = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", x.lower()).replace(" ", "-") for x in lines}
                assert heading in anchors, f"{page.name}: {target}"
            seen += 1
    assert seen > 20


# Files that are no text, by ending, and the folders that they belong in.
BINARY = {
    ".png": ("results/reference/", "docs/"),
    ".h5": ("workflow/vebi/benchmark/",),
    ".pt": ("workflow/vebi/benchmark/",),
}


def test_only_figures_and_the_benchmark_are_no_text(root):
    """Nothing that was downloaded or built has slipped in."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("no git repository: the files of the project can't be told from others")
    for name in listed.stdout.decode().split("\0")[:-1]:
        path = root / name
        if path.is_file() and b"\0" in path.read_bytes()[:8000]:
            assert name.startswith(BINARY.get(path.suffix, ())), name
