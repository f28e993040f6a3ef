"""Names from files: what leads inside a folder, and what is deleted by them."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vebi.io.inside import first_link, leads_inside, remove_file

PARTS = st.sampled_from(["a", "..", ".", "", "/", "...", "..b", "a\0", "ä"])


@given(st.lists(PARTS, max_size=6).map("/".join))
def test_a_name_leads_inside_if_the_kernel_would_stay_inside_on_every_part_of_it(name):
    # Twin: walk the name part by part and never be at the root or above it again.
    depth, stays = 0, not name.startswith("/") and "\0" not in name
    for part in name.split("/"):
        depth += 0 if part in ("", ".") else 1
        stays &= part != ".."
    assert leads_inside(name) == (stays and depth > 0)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root/a/b").mkdir(parents=True)
    (tmp_path / "root/a/b/file").write_text("x")
    (tmp_path / "root/link").symlink_to("a")
    (tmp_path / "root/a/name").symlink_to("b/file")
    os.mkfifo(tmp_path / "root/pipe")
    return tmp_path / "root"


def test_the_first_link_on_the_way(root):
    assert first_link(root / "a/b/file", root) is None
    assert first_link(root / "not/there", root) is None
    assert first_link(root, root) is None
    assert first_link(root / "link/b/file", root) == root / "link"
    assert first_link(root / "link/name", root) == root / "link"
    assert first_link(root / "a/name", root) == root / "a/name"
    # The root itself is the user's choice.
    assert first_link(root / "link/b/file", root / "link") is None
    with pytest.raises(ValueError, match="is not in the subpath"):
        first_link(Path("elsewhere"), root)


@pytest.mark.parametrize(
    "name", ["a", "a/b", "link", "link/b/file", "link/name", "a/name", "pipe", "."]
)
def test_what_is_no_regular_file_of_the_root_stays(root, name):
    before = sorted(root.rglob("*"))
    assert not remove_file(root / name, root)
    assert sorted(root.rglob("*")) == before


def test_a_file_goes_and_an_absent_one_is_gone(root):
    assert remove_file(root / "a/b/file", root)
    assert not (root / "a/b/file").exists()
    assert remove_file(root / "a/b/file", root)
