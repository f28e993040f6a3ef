"""Which changes `make mutants` leaves out of its count, and that it leaves out no other."""

from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def tool(load_tool) -> ModuleType:
    return load_tool("mutants")


def difference(old: str, new: str) -> str:
    return f"--- src/a.py\n+++ src/a.py\n@@ -1,3 +1,3 @@\n def f():\n-{old}\n+{new}\n     return x"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x = zip(a, b, strict=True)", "x = zip(a, b, strict=None)"),
        ("x = zip(a, b, strict=True)", "x = zip(a, b, )"),
        ("x = rng.choice(4, n, replace=False)", "x = rng.choice(4, n, replace=None)"),
        ("x = np.finfo(float).tiny", "x = np.finfo(None).tiny"),
    ],
)
def test_guards_and_defaults_change_nothing(tool, old, new):
    assert tool.why_neutral(difference(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x = zip(a, b, strict=True)", "x = zip(a, None, strict=True)"),
        ("x = zip(a, b, strict=True)", "x = zip(b, strict=True)"),
        ("x = rng.choice(4, n, replace=False)", "x = rng.choice(4, n, replace=True)"),
        ("x = rng.choice(4, n, replace=False)", "x = rng.choice(4, n, )"),
        ("x = a < b", "x = a <= b"),
        ("x = 'strict=True'", "x = 'XXstrict=TrueXX'"),
    ],
)
def test_every_other_change_counts(tool, old, new):
    assert not tool.why_neutral(difference(old, new))


def test_a_change_over_several_lines_counts(tool):
    text = difference("x = f(", "x = g(").replace("-x = f(", "-x = f(\n-    a, strict=True)")
    assert not tool.why_neutral(text)
