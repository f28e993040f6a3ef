"""Configuration files that Snakemake can't read, in one line with file and line number.

Snakemake reads `--configfile` before the Snakefile, and ends in a traceback where a file is not UTF-8 and
in a message without the file's name where it is not YAML. Nothing of a workflow has run by then, but all
logger plugins have been imported, whether they are used or not.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import yaml

# Of the Snakefile, which reads it in the folder where Snakemake runs.
DEFAULT = "config/config.yaml"


def files_on_command_line(arguments: Sequence[str]) -> Iterator[str]:
    """The configurations that Snakemake is going to read.

    Args:
        arguments: of the command `snakemake`, without its name.
    """
    # Options can be cut short, but not to `--config`, which is another one.
    yield from _values(arguments, lambda option: option.startswith("--configf"))
    named = list(_values(arguments, lambda option: option in ("-s", "--snakefile")))
    # Another project may keep something else under that name.
    if (Path(named[-1] if named else "Snakefile").parent / "workflow/vebi").is_dir():
        yield DEFAULT


def _values(arguments: Sequence[str], is_wanted: Callable[[str], bool]) -> Iterator[str]:
    """The values of an option that takes one or more."""
    is_value = False
    for argument in arguments:
        if argument.startswith("-"):
            option, equals, value = argument.partition("=")
            is_value = is_wanted(option)
            if is_value and equals:
                is_value = False
                yield value
        elif is_value:
            yield argument


def find_fault(path: str | Path) -> str | None:
    """What is wrong with a file, in a line with its name and the line's number; None if nothing is.

    A file that is not there is left to Snakemake, which names it; so is a pipe, which can be read once.
    """
    try:
        content = Path(path).read_bytes() if Path(path).is_file() else b""
    except OSError:
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        return f"{path}, line {line}: the byte 0x{byte:02x} is not UTF-8. Save the file as UTF-8."
    try:
        # Read first by Snakemake, too: JSON may be indented by tabs.
        json.loads(text)
    except (ValueError, RecursionError):
        return _find_fault_in_yaml(path, text)
    return None


def _find_fault_in_yaml(path: str | Path, text: str) -> str | None:
    try:
        # Events, not nodes: nothing is nested. The loader in C is 12 times as fast as the other.
        for _ in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            pass
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        return f"{path}, line {mark.line + 1 if mark else 1}: this is not YAML: {error.problem}."
    except yaml.YAMLError as error:
        return f"{path} is not YAML: {' '.join(str(error).split())}."
    return None


def end_if_unreadable(paths: Iterable[str | Path]) -> None:
    """End the program with the first fault in some files."""
    for path in paths:
        fault = find_fault(path)
        if fault:
            sys.exit(fault)


def check_command_line() -> None:
    """End Snakemake if it was given a configuration that it can't read.

    Other programs import the plugin, too; their arguments are their own.
    """
    program = Path(sys.argv[0])
    if program.name == "snakemake" or program.parts[-2:] == ("snakemake", "__main__.py"):
        end_if_unreadable(files_on_command_line(sys.argv[1:]))
