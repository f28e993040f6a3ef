"""config/README.md: every key of the configuration, from the types that check it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vebi.config.whole import Config

HEAD = """\
# Configuration

Made from the typed source in `workflow/vebi/config/` by `python -m vebi.generated`.

`config.yaml` is the default run and is always read first. Another file overlays it, key by key
(lists are replaced as a whole): `snakemake --cores all --configfile config/smoke.yaml`, or `make
reproduce CONFIG=config/paper.yaml`. Unknown keys, wrong types and values out of range end the run before
any job starts, with a message that names the key, the value and what is allowed.

YAML reads `1e-3` as text: write `1.0e-3` or `0.001`.

`schema.json` is the JSON Schema of these files. An editor with a YAML language server (VS Code's YAML
extension, Neovim, JetBrains) completes and checks keys by it where a file begins with
`# yaml-language-server: $schema=config/schema.json` (the path is relative to the file). `vebi schema`
prints it.

More about some sections: [image folders](../docs/how-to/image-folders.md),
[networks and weights](../docs/how-to/networks.md),
[tables of the studies](../docs/how-to/study-tables.md),
[which configuration tests which claims](../docs/how-to/configurations-and-claims.md).
"""
# Comments that are for editors.
EDITOR = "# yaml-language-server"
# Where a section's own name would be the first word, this one says what it is.
WHOLE = "The run"
LARGEST = 2**62


def reference_text(folder: Path) -> str:
    """config/README.md; `folder` holds the configurations, whose first comments say what they are."""
    schema = Config.model_json_schema()
    lines = [HEAD, "| file | what it is |", "|---|---|"]
    for path in sorted(folder.glob("*.yaml")):
        lines.append(f"| `{path.name}` | {_first_comment(path)} |")
    for title, section in _sections(schema, schema["$defs"]):
        lines += ["", f"## {title}", "", section.get("description", ""), ""]
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        required = section.get("required", [])
        for key, value in section["properties"].items():
            default = "" if key in required else _shown(value.get("default"))
            cells = [f"`{key}`", _allowed(value, schema["$defs"]), default]
            lines.append("| " + " | ".join([*cells, value.get("description", "")]) + " |")
    return "\n".join(lines) + "\n"


def _first_comment(path: Path) -> str:
    """The first sentence of a configuration's comment."""
    words: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith(EDITOR):
            words += line.removeprefix("#").split()
    return re.split(r"(?<=\.)(?<!Fig\.) ", " ".join(words))[0]


def _sections(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], name: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Title and schema of the whole and of every section in it, in the order of the keys."""
    yield (f"`{name}`" if name else WHOLE), schema
    for key, value in schema["properties"].items():
        for step, inner in _references(value, definitions):
            kinds = inner["properties"].get("kind", {})
            kind = f", kind `{kinds['const']}`" if "const" in kinds else ""
            path = f"{name}.{key}{step}" if name else f"{key}{step}"
            for title, section in _sections(inner, definitions, path):
                yield f"{title}{kind}", section


def _references(
    value: Mapping[str, Any], definitions: Mapping[str, Any], step: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Sections that a value may hold, each with what leads to it: "", ".<name>", "[]"."""
    if "$ref" in value:
        yield step, definitions[value["$ref"].rpartition("/")[2]]
    for inner in (*value.get("anyOf", ()), *value.get("oneOf", ())):
        yield from _references(inner, definitions, step)
    if isinstance(items := value.get("items"), Mapping):
        yield from _references(items, definitions, f"{step}[]")
    for inner in value.get("patternProperties", {}).values():
        yield from _references(inner, definitions, f"{step}.<name>")


def _allowed(value: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """The values that a key takes, in words."""
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "anyOf" in value:
        parts = [_allowed(one, definitions) for one in value["anyOf"]]
        return " or ".join(dict.fromkeys(parts))
    if "$ref" in value or "oneOf" in value:
        return "section"
    if "patternProperties" in value:
        return "sections by name"
    kind = value.get("type")
    if kind == "array":
        items = _allowed(value["items"], definitions) if "items" in value else "values"
        return f"list of {'sections' if items == 'section' else items}"
    if kind == "object":
        return "map of plain values"
    words = {"integer": "integer", "number": "number", "boolean": "`true`, `false`", "null": "null"}
    return (words.get(str(kind), "text") + _range(value)).strip()


def _range(value: Mapping[str, Any]) -> str:
    ends = (
        ("exclusiveMinimum", "above"),
        ("minimum", "from"),
        ("exclusiveMaximum", "below"),
        ("maximum", "to"),
    )
    # Beyond what fits into 64 bits there is nothing to say.
    parts = [
        f"{word} {_number(value[key])}"
        for key, word in ends
        if key in value and abs(value[key]) < LARGEST
    ]
    return f" {' '.join(parts)}" if parts else ""


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _shown(value: Any) -> str:
    """A default as YAML writes it."""
    if isinstance(value, Mapping):
        return ""
    if isinstance(value, list):
        return "`[" + ", ".join(_shown(one).strip("`") for one in value) + "]`"
    words = {None: "null", True: "`true`", False: "`false`"}
    if value is None or isinstance(value, bool):
        return words[value]
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
