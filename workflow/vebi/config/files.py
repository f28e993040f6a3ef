"""Configuration files as text: what is lost once they have been read."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from vebi.io.errors import VebiError
from vebi.io.files import read_bounded

LARGEST_FILE = 10_000_000
_MERGE = "tag:yaml.org,2002:merge"


def check_keys_once(paths: Iterable[str | Path]) -> None:
    """Raise VebiError where a key appears twice in one section: YAML would drop the first.

    The message has a line for each such key, with file and line number. What is not YAML at all is left
    to Snakemake, which says so.
    """
    lines = [line for path in paths for line in _repeated_keys(path)]
    if lines:
        raise VebiError(
            "A key appears twice in a section of the configuration; keep one of each:\n"
            + "\n".join(f"  - {line}" for line in lines)
        )


def _repeated_keys(path: str | Path) -> Iterator[str]:
    try:
        root = yaml.compose(read_bounded(path, LARGEST_FILE), Loader=yaml.SafeLoader)
    except (OSError, yaml.YAMLError, RecursionError):
        return
    nodes, seen = [root], set[int]()
    while nodes:
        node = nodes.pop()
        # An alias is the node itself.
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        if not isinstance(node, yaml.MappingNode):
            continue
        first: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            nodes.append(value)
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            line, name = key.start_mark.line + 1, (key.tag, key.value)
            if name in first:
                yield f"{path}, line {line}: '{key.value}' is already set in line {first[name]}"
            first.setdefault(name, line)
