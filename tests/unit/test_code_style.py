"""What a reader may rely on in the library's code, where no linter has a rule for it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "workflow/vebi"
MODULES = sorted(LIBRARY.rglob("*.py"))
MOST_LINES = 60
# Compiled: the loop is one function. A command's parameters are its options, with their help.
LONG = {"selection/homotopy_kernel.py:advance", "cli.py:explain"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def name_of(path: Path, function: Function) -> str:
    return f"{path.relative_to(LIBRARY).as_posix()}:{function.name}"


def annotations(tree: ast.AST) -> Iterator[ast.expr]:
    """Everything that says what type something has, aliases of types among it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, Function) and node.returns is not None:
            yield node.returns
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp):
            yield node.value


def bare_arrays(source: str) -> list[str]:
    """Annotations with an array whose type is not said."""
    return [
        ast.unparse(one)
        for one in annotations(ast.parse(source))
        if any(isinstance(part, ast.Attribute) and part.attr == "ndarray" for part in ast.walk(one))
    ]


def length(function: Function) -> int:
    """Lines of code, without the docstring."""
    first = function.body[0]
    has_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    text = first.end_lineno - first.lineno + 1 if has_text else 0
    return function.end_lineno - function.lineno + 1 - text


def test_functions_are_short() -> None:
    long = {
        name_of(path, one)
        for path in MODULES
        for one in functions(path)
        if length(one) > MOST_LINES
    }
    assert long == LONG


@pytest.mark.parametrize(
    "source",
    [
        "def f(a: np.ndarray) -> int: ...",
        "def f() -> dict[str, np.ndarray]: ...",
        "class A:\n    a: np.ndarray | None = None",
        "Maps = dict[str, np.ndarray]",
        "Numbers = float | np.ndarray",
    ],
)
def test_bare_arrays_are_found(source: str) -> None:
    assert bare_arrays(source)


def test_arrays_say_what_they_hold() -> None:
    found = {path.name: bare_arrays(path.read_text(encoding="utf-8")) for path in MODULES}
    assert not {name: arrays for name, arrays in found.items() if arrays}


def offered() -> Iterator[tuple[str, Function]]:
    """Functions that packages offer, and the methods of what else they do."""
    for stub in sorted(LIBRARY.rglob("__init__.pyi")):
        for line in ast.walk(ast.parse(stub.read_text(encoding="utf-8"))):
            if not isinstance(line, ast.ImportFrom) or not line.module:
                continue
            module = stub.parent / line.module.replace(".", "/")
            path = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
            names = {alias.name for alias in line.names}
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, Function | ast.ClassDef) and node.name in names:
                    members = node.body if isinstance(node, ast.ClassDef) else [node]
                    for one in members:
                        if isinstance(one, Function) and not one.name.startswith("_"):
                            yield name_of(path, one), one


def missing_sections(function: Function) -> set[str]:
    """Sections that a docstring lacks: of three arguments or more, and of an error that is raised."""
    decorators = {ast.unparse(one) for one in function.decorator_list}
    if "overload" in decorators:
        return set()
    given = function.args
    names = {one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
    returns = ast.unparse(function.returns) if function.returns else "None"
    needed = set()
    if len(names - {"self", "cls"}) > 2:
        needed |= {"Args:"} | ({"Returns:"} if returns != "None" else set())
    if any(
        isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and ast.unparse(node.exc.func) == "VebiError"
        for node in ast.walk(function)
    ):
        needed.add("Raises:")
    text = (ast.get_docstring(function) or "").replace("Yields:", "Returns:")
    return {section for section in needed if f"\n{section}\n" not in text}


def test_missing_sections_are_found() -> None:
    source = 'def f(a, b, c) -> int:\n    """Add."""\n    raise VebiError("x")'
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert missing_sections(function) == {"Args:", "Returns:", "Raises:"}


def test_what_packages_offer_says_what_it_takes_gives_and_raises() -> None:
    found = list(offered())
    assert len(found) > 80
    assert not {name: missing for name, one in found if (missing := missing_sections(one))}
