"""requirements.lock: what requirements.txt leads to, each file by its hash, from no named place."""

import re

import pytest
from packaging.requirements import Requirement


@pytest.fixture(scope="module")
def locked(root):
    """Version and number of hashes of every package in the lock."""
    text = (root / "requirements.lock").read_text()
    blocks = re.findall(r"^([a-z0-9][^\s=]*)==(\S+)(.*?)(?=^\S|\Z)", text, re.M | re.S)
    return {name: (version, block.count("--hash=sha256:")) for name, version, block in blocks}


def test_the_lock_has_the_versions_of_the_requirements(root, locked):
    lines = (root / "requirements.txt").read_text().splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert len(wanted) > 15
    for requirement in wanted:
        version, _ = locked[requirement.name.lower()]
        assert requirement.specifier.contains(version), f"{requirement.name}: make lock"


def test_every_package_has_hashes_and_none_names_where_it_comes_from(root, locked):
    assert len(locked) > 60
    assert [name for name, (_, hashes) in locked.items() if not hashes] == []
    text = (root / "requirements.lock").read_text()
    assert not re.search(r"https?:|index-url|find-links|file:", text)
