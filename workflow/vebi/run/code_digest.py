"""A digest of the code that a script really uses.

Snakemake reruns a rule when its script changes, but not when a module that the script imports does.
`code_digest` follows the names from a script through the package, definition by definition, and
hashes what it meets. So editing a function reruns the stages that reach it and no others, and
comments, docstrings, captions and `touch` rerun nothing.

The analysis is static. A registry must be a plain dict of functions (a name leads to them), not a
decorator that registers on import; or it names them as text, `vebi.module:function`, which counts like
the name itself.
"""

import ast
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = "vebi"
# Arguments of records that only say what they are about; no number depends on them.
RECORDS = frozenset({"Study", "Table", "Figure"})
PROSE = frozenset({"caption", "allowed", "question", "title", "place"})
# A function of the package that is named as text.
NAMED = re.compile(rf"{PACKAGE}(\.\w+)+:\w+")
ROOT = Path(__file__).resolve().parents[2]


class _Module:
    """One source file: its top-level definitions, and what its imports from the package mean."""

    def __init__(self, name: str, source: str, is_package: bool) -> None:
        self.name = name
        self.definitions: dict[str, list[ast.stmt]] = {}
        # Local name -> (module, attribute), or (module, "") for a module itself.
        self.imports: dict[str, tuple[str, str]] = {}
        self.always: list[ast.stmt] = []
        # What has been worked out: a statement's text by its identity, a name's texts and targets.
        self.texts: dict[int, str] = {}
        self.found: dict[str, tuple[set[str], set[tuple[str, str]]]] = {}
        tree = ast.parse(source)
        for node in ast.walk(tree):
            self._read_import(node, is_package)
        for statement in tree.body:
            names = _bound_names(statement)
            for bound in names:
                self.definitions.setdefault(bound, []).append(statement)
            if not names and not isinstance(statement, ast.Import | ast.ImportFrom):
                self.always.append(statement)

    def _read_import(self, node: ast.AST, is_package: bool) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    # A plain `import vebi.x` could reach anything: then the whole module counts.
                    self.imports[alias.asname or PACKAGE] = (alias.name, "")
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parts = self.name.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                origin = ".".join([*parts, origin] if origin else parts)
            if origin.split(".")[0] == PACKAGE:
                for alias in node.names:
                    inner = f"{origin}.{alias.name}"
                    target = (inner, "") if _source_of(inner) else (origin, alias.name)
                    self.imports[alias.asname or alias.name] = target


def code_digest(*entries: str | Path) -> str:
    """Hex digest (16 characters) of everything in the package that `entries` reach.

    An entry is the path of a script, the name of a module of the package (all of it counts), or that of
    a function, `module:function`.
    """
    pending: list[tuple[str, str]] = []
    texts: set[str] = set()
    for entry in entries:
        if isinstance(entry, Path) or str(entry).endswith(".py"):
            script = _Module("__script__", Path(entry).read_text(encoding="utf-8"), False)
            everything = [s for group in script.definitions.values() for s in group] + script.always
            texts.update(_texts(script, everything))
            pending.extend(_reached(script, everything))
        else:
            module, _, function = str(entry).partition(":")
            pending.append((module, function))
    seen: set[tuple[str, str]] = set()
    while pending:
        target = pending.pop()
        if target in seen:
            continue
        seen.add(target)
        found, reached = _look_up(*target)
        texts.update(found)
        pending.extend(reached)
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:16]


def _look_up(origin: str, name: str) -> tuple[set[str], set[tuple[str, str]]]:
    """Texts and targets of a name; worked out once, since every job reads the digests of all scripts."""
    module = _load(origin)
    if name not in module.found:
        statements = _statements(module, name)
        module.found[name] = _texts(module, statements), _reached(module, statements)
    return module.found[name]


def _statements(module: _Module, name: str) -> list[ast.stmt]:
    """The statements behind a name; all of them for a module itself or a name that is not found."""
    if name in module.definitions:
        return module.definitions[name] + module.always
    if name in module.imports:  # re-exported: an empty body that leads on
        return [ast.Expr(ast.Name(name, ast.Load()))]
    return [s for group in module.definitions.values() for s in group] + module.always


def _reached(module: _Module, statements: Iterable[ast.stmt]) -> set[tuple[str, str]]:
    """Package targets that are named in `statements`."""
    targets = set()
    for statement in statements:
        attributes = {
            id(node.value): node.attr
            for node in ast.walk(statement)
            if isinstance(node, ast.Attribute)
        }
        for node in ast.walk(statement):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if NAMED.fullmatch(node.value):
                    origin, _, attribute = node.value.partition(":")
                    targets.add((origin, attribute))
                continue
            if not isinstance(node, ast.Name):
                continue
            if node.id in module.imports:
                origin, attribute = module.imports[node.id]
                if not attribute and id(node) in attributes:
                    attribute = attributes[id(node)]
                targets.add((origin, attribute))
            elif node.id in module.definitions and module.name != "__script__":
                targets.add((module.name, node.id))
    return targets


def _texts(module: _Module, statements: Iterable[ast.stmt]) -> set[str]:
    texts = set()
    for statement in statements:
        # The one of a name that is passed on belongs to no module: it may be gone, its number reused.
        is_passing = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Name)
        text = None if is_passing else module.texts.get(id(statement))
        if text is None:
            text = f"{module.name}: {ast.dump(_without_prose(statement))}"
            if not is_passing:
                module.texts[id(statement)] = text
        texts.add(text)
    return texts


def _without_prose(statement: ast.stmt) -> ast.stmt:
    copy = ast.parse(ast.unparse(statement)).body[0]
    for node in ast.walk(copy):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in RECORDS
        ):
            node.keywords = [k for k in node.keywords if k.arg not in PROSE]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = node.body[0]
            is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            if is_text and isinstance(first.value.value, str):  # type: ignore[attr-defined]
                node.body = node.body[1:] or [ast.Pass()]
    return copy


def _bound_names(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    return []


def _source_of(name: str) -> Path | None:
    base = ROOT.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _load(name: str) -> _Module:
    path = _source_of(name)
    if path is None:
        raise FileNotFoundError(f"module {name} is not in {ROOT}")
    return _Module(name, path.read_text(encoding="utf-8"), path.name == "__init__.py")


def files_digest(*folders: Path) -> str:
    """Hex digest (16 characters) of names and contents of all files below `folders`."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def package_digest() -> str:
    """Hex digest of all code of the package."""
    files = sorted((ROOT / PACKAGE).rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    return code_digest(*[name.removesuffix(".__init__") for name in names])
