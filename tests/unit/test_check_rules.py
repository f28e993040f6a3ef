"""The rules' functions as a module that mypy can check: nothing but directives is left out."""

import ast
import runpy
from pathlib import Path

CHECK = runpy.run_path(str(Path(__file__).parents[2] / "tools/check_rules.py"))


def test_directives_go_and_lines_stay_where_they_are():
    before, block = "A = 1\n\n\n", "onstart:\n    # why\n    f(A)\n\n    g()\n\n\n"
    after = 'def f(x):\n    """Doc:"""\n    try:\n        return x\n    finally:\n        pass\n'
    lines = CHECK["without_directives"](before + block + after)
    assert lines == [*before.splitlines(), *[""] * 7, *after.splitlines()]


def test_every_function_of_the_files_is_checked():
    for path in CHECK["FILES"]:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse("\n".join(CHECK["without_directives"](text)))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert names == {line[4:].split("(")[0] for line in text.splitlines() if line[:4] == "def "}
