"""A digest of the code that a script really uses.

Snakemake reruns a rule when its script changes, but not when a module that the script imports does.
`code_digest` follows the names from a script through the package, definition by definition, and
hashes what it meets. So editing a function reruns the stages that reach it and no others, and
comments, docstrings and `touch` rerun nothing.

The analysis is static. A registry must be a plain dict of functions (a name leads to them), not a
decorator that registers on import. Text of the form `vebi.module:name` counts as the name that it is.
A field of a record (`vebi.record`) counts only where code is reached that reads an attribute
of that name: whoever draws a method's colour does not depend on its function, nor the other way round.
"""

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGE = "vebi"
# Libraries whose versions decide numbers or pixels: the name in an import, and that of the distribution.
NUMERICAL = {
    "matplotlib": "matplotlib",
    "numba": "numba",
    "numpy": "numpy",
    "PIL": "pillow",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "spgl1": "spgl1",
    "torch": "torch",
    "torchvision": "torchvision",
}
ROOT = Path(__file__).resolve().parents[2]
_AS_TEXT = re.compile(rf"({PACKAGE}(?:\.\w+)+):(\w+)")

# A module name that no import can have.
SCRIPT = "__script__"
# (module, name), or (module, "") for all of a module.
Target = tuple[str, str]


@dataclass
class _Found:
    """What some statements hold: their texts, the names that they lead to, the attributes that they
    read, and fields of records, which wait until somebody reads them."""

    texts: set[str] = field(default_factory=set)
    targets: set[Target] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    fields: "list[_Field]" = field(default_factory=list)

    def add(self, other: "_Found") -> None:
        self.texts |= other.texts
        self.targets |= other.targets
        self.reads |= other.reads
        self.fields += other.fields


@dataclass(frozen=True)
class _Field:
    """A field of a record that is made in `module`: its value, and what tells it from all others."""

    name: str
    module: "_Module"
    value: ast.expr
    place: str


class _Module:
    """One source file: its top-level definitions, and what its imports from the package mean."""

    def __init__(self, name: str, source: str, is_package: bool) -> None:
        self.name = name
        self.definitions: dict[str, list[ast.stmt]] = {}
        # Local name -> (module, attribute), or (module, "") for a module itself.
        self.imports: dict[str, Target] = {}
        self.always: list[ast.stmt] = []
        # Libraries of NUMERICAL that it imports, by the name in the import.
        self.libraries: set[str] = set()
        # What has been worked out, by the identity of a statement or a field's value, and by name.
        self.examined: dict[int, _Found] = {}
        self.found: dict[str, _Found] = {}
        # Whether a name is a class of records.
        self.records: dict[str, bool] = {}
        tree = ast.parse(source)
        for inner in _all_statements(tree):
            self._read_import(inner, is_package)
            _drop_docstring(inner)
        for statement in tree.body:
            names = _bound_names(statement)
            for bound in names:
                self.definitions.setdefault(bound, []).append(statement)
            if not names and not isinstance(statement, ast.Import | ast.ImportFrom):
                self.always.append(statement)

    def _read_import(self, node: ast.stmt, is_package: bool) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.libraries |= {alias.name.split(".")[0]} & NUMERICAL.keys()
                if alias.name.split(".")[0] == PACKAGE:
                    # A plain `import vebi.x` could reach anything: then the whole module counts.
                    self.imports[alias.asname or PACKAGE] = (alias.name, "")
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parts = self.name.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                origin = ".".join([*parts, origin] if origin else parts)
            self.libraries |= {origin.split(".")[0]} & NUMERICAL.keys()
            if origin.split(".")[0] == PACKAGE:
                for alias in node.names:
                    inner = f"{origin}.{alias.name}"
                    target = (inner, "") if _source_of(inner) else (origin, alias.name)
                    self.imports[alias.asname or alias.name] = target


def code_digest(*entries: str | Path, versions: bool = False) -> str:
    """Hex digest (16 characters) of everything in the package that `entries` reach.

    An entry is the path of a script, the name of a module of the package (all of it counts), or that of
    a function, `module:function`. With `versions` those of the libraries count that the reached modules
    import, as far as they decide results (NUMERICAL): after an upgrade old and new do not mix.
    """
    all_found = _Found()
    for entry in entries:
        if isinstance(entry, Path) or str(entry).endswith(".py"):
            script = _Module(SCRIPT, Path(entry).read_text(encoding="utf-8"), False)
            for statement in _statements(script, ""):
                all_found.add(_examine(script, statement))
        else:
            named = _AS_TEXT.fullmatch(str(entry))
            all_found.targets.add((named[1], named[2]) if named else (str(entry), ""))
    seen: set[Target] = set()
    while True:
        while new := all_found.targets - seen:
            seen |= new
            for target in new:
                all_found.add(_look_up(*target))
        read = [one for one in all_found.fields if one.name in all_found.reads]
        if not read:
            break
        all_found.fields = [one for one in all_found.fields if one.name not in all_found.reads]
        for one in read:
            all_found.add(_examine_field(one))
    if versions:
        used = set[str]().union(*(_load(module).libraries for module, _ in seen))
        all_found.texts |= {f"{name} {_version(NUMERICAL[name])}" for name in used}
    return hashlib.sha256("\n".join(sorted(all_found.texts)).encode()).hexdigest()[:16]


def _look_up(origin: str, name: str) -> _Found:
    """What a name holds; worked out once, since every job reads the digests of all scripts."""
    module = _load(origin)
    if name not in module.found:
        found = module.found[name] = _Found()
        if name in module.imports and name not in module.definitions:  # re-exported: it leads on
            found.targets.add(module.imports[name])
        else:
            for statement in _statements(module, name):
                found.add(_examine(module, statement))
    return module.found[name]


def _statements(module: _Module, name: str) -> list[ast.stmt]:
    """The statements behind a name; all of them for a module itself or a name that is not found."""
    if name in module.definitions:
        return module.definitions[name] + module.always
    return [s for group in module.definitions.values() for s in group] + module.always


def _examine(module: _Module, statement: ast.stmt) -> _Found:
    """What a statement of a module holds."""
    if id(statement) not in module.examined:
        place = f"{module.name}: {' '.join(_bound_names(statement))}"
        module.examined[id(statement)] = _take_apart(module, statement, place, module.name)
    return module.examined[id(statement)]


def _examine_field(one: _Field) -> _Found:
    """What a field's value holds; records inside it have fields of their own."""
    examined = one.module.examined
    if id(one.value) not in examined:
        examined[id(one.value)] = _take_apart(one.module, one.value, one.place, one.place)
    return examined[id(one.value)]


def _take_apart(module: _Module, code: ast.AST, place: str, label: str) -> _Found:
    """What a piece of code holds; its outermost records are emptied, so it is taken apart only once.

    Names of the package count also as text. Records are numbered level by level from the outside.
    """
    found = _Found()
    names: list[ast.Name] = []
    attributes: dict[int, str] = {}
    queue: list[ast.AST] = [code]
    number = 0
    for node in queue:  # which grows on the way
        if isinstance(node, ast.Attribute):
            attributes[id(node.value)] = node.attr
            found.reads.add(node.attr)
        elif isinstance(node, ast.Name):
            names.append(node)
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str) and (named := _AS_TEXT.fullmatch(node.value)):
                found.targets.add((named[1], named[2]))
        elif isinstance(node, ast.Call) and _is_record(module, node):
            number += 1
            for keyword in node.keywords:
                at = f"{place} {number}.{keyword.arg}"
                found.fields.append(_Field(keyword.arg or "", module, keyword.value, at))
            node.keywords = []
        queue.extend(_children(node))
    for name in names:
        if name.id in module.imports:
            origin, attribute = module.imports[name.id]
            found.targets.add((origin, attribute or attributes.get(id(name), "")))
        elif name.id in module.definitions and module.name != SCRIPT:
            found.targets.add((module.name, name.id))
    found.texts.add(f"{label}: {ast.dump(code)}")
    return found


def _children(node: ast.AST) -> list[ast.AST]:
    """As `ast.iter_child_nodes`, without what only says whether a name is read or set."""
    children: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            children += [one for one in value if isinstance(one, ast.AST)]
        elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
            children.append(value)
    return children


def _all_statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Every statement at any depth; expressions hold none."""
    queue: list[ast.AST] = [tree]
    for node in queue:  # which grows on the way
        if isinstance(node, ast.stmt):
            yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, name, None)
            if isinstance(inner, list):
                queue += inner


def _is_record(module: _Module, node: ast.Call) -> bool:
    """Whether a call makes a record: of a class that is decorated so, in this module or another."""
    if not isinstance(node.func, ast.Name):
        return False
    name = node.func.id
    if name not in module.records:
        module.records[name] = _is_record_class(module, name)
    return module.records[name]


def _is_record_class(module: _Module, name: str) -> bool:
    if name in module.definitions:
        return any(
            isinstance(one, ast.Name) and one.id == "record"
            for statement in module.definitions[name]
            if isinstance(statement, ast.ClassDef)
            for one in statement.decorator_list
        )
    origin, attribute = module.imports.get(name, ("", ""))
    return bool(attribute) and _is_record_class(_load(origin), attribute)


def _drop_docstring(node: ast.stmt) -> None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        first = node.body[0]
        is_constant = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        if is_constant and isinstance(first.value.value, str):  # type: ignore[attr-defined]
            node.body = node.body[1:] or [ast.Pass()]


def _bound_names(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    return []


@cache
def _version(distribution: str) -> str:
    return metadata.version(distribution)


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
