"""Configuration files as text: what is lost once they have been read."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from vebi.io.errors import VebiError
from vebi.io.files import read_bounded

LARGEST_FILE = 10_000_000
_MERGE = "tag:yaml.org,2002:merge"


def check_text(paths: Iterable[str | Path]) -> None:
    """Raise VebiError for the first file that is not UTF-8: a message with file and line number.

    Snakemake reads the files before any code of this package runs, and ends in a traceback then.
    """
    for path in paths:
        try:
            content = read_bounded(path, LARGEST_FILE)
        except OSError:
            # Snakemake says which file is not there.
            continue
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise VebiError(
                f"{path}, line {line}: the byte 0x{content[error.start]:02x} is not UTF-8. Save the file "
                "as UTF-8."
            ) from error


def check_keys_once(paths: Iterable[str | Path]) -> None:
    """Raise VebiError where a key stands twice in one section: YAML would drop the first.

    The message has a line for each such key, with file and line number. What is no YAML at all is left
    to Snakemake, which says so.
    """
    lines = [line for path in paths for line in _repeated_keys(path)]
    if lines:
        raise VebiError(
            "A key stands twice in a section of the configuration; keep one of each:\n"
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
                yield f"{path}, line {line}: '{key.value}' stands in line {first[name]} already"
            first.setdefault(name, line)


if __name__ == "__main__":
    try:
        check_text(sys.argv[1:])
    except VebiError as error:
        sys.exit(str(error))
