"""Compiled functions: with and without a place to keep them, and the line that says so."""

import pytest
from numba.core.caching import CacheImpl

from vebi.compute.compiled import LINE, announced, compiled


def add(a, b):
    return a + b


def test_without_a_place_to_keep_it_a_function_is_compiled_all_the_same(monkeypatch):
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    assert compiled(add)(1, 2) == 3


def test_other_errors_of_the_compiler_are_not_hidden(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("no compiler")

    monkeypatch.setattr("vebi.compute.compiled.njit", refuse)
    with pytest.raises(RuntimeError, match="no compiler"):
        compiled(add)


def test_the_line_is_said_once_and_only_where_something_is_compiled(monkeypatch, capsys):
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    function = compiled(add)
    with announced():
        assert (function(1, 2), function(1.5, 2.5)) == (3, 4.0)
    assert capsys.readouterr().err.count(LINE) == 1
    with announced():
        assert function(3, 4) == 7
    assert LINE not in capsys.readouterr().err
    # Outside nothing is said.
    assert function(1j, 2j) == 3j
    assert capsys.readouterr().err == ""
