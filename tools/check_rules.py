"""Types of the functions in `common.smk` and `rules/inputs/*.smk`, which mypy does not read by itself.

They are Python but for Snakemake's directives. This writes them, without these, one after the other
to one module that mypy can check, and says where in which file an error is.

    python tools/check_rules.py
"""

import re
import sys
from pathlib import Path

from mypy import api

ROOT = Path(__file__).parents[1]
FILES = (ROOT / "workflow/common.smk", *sorted((ROOT / "workflow/rules/inputs").glob("*.smk")))
MODULE = ROOT / ".mypy_cache/rules_as_python.py"
# Objects that Snakemake puts into the files' namespace. Wildcards have no types to write down.
HEAD = """# mypy: disallow-untyped-defs=False
from typing import Any

config: dict[str, Any]
workflow: Any
report: Any
"""
DIRECTIVE = re.compile(r"(onstart|onsuccess|onerror|wildcard_constraints):$")


def without_directives(text: str) -> list[str]:
    """The lines of a rule file, empty where they belong to a directive such as `onstart:`."""
    lines, inside = [], False
    for line in text.splitlines():
        inside = bool(DIRECTIVE.match(line)) or (inside and line[:1] in ("", " "))
        lines.append("" if inside else line)
    return lines


def main() -> int:
    """Check the files; return mypy's exit status."""
    lines, origins = HEAD.splitlines(), [("tools/check_rules.py", 0)] * len(HEAD.splitlines())
    for path in FILES:
        own = without_directives(path.read_text(encoding="utf-8"))
        lines += own
        origins += [(str(path.relative_to(ROOT)), number) for number in range(1, len(own) + 1)]
    MODULE.parent.mkdir(exist_ok=True)
    MODULE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found, problems, status = api.run(["--config-file", str(ROOT / "pyproject.toml"), str(MODULE)])
    for line in found.splitlines():
        match = re.match(r"\S*rules_as_python\.py:(\d+): (.*)", line)
        if match:
            file, number = origins[int(match[1]) - 1]
            line = f"{file}:{number}: {match[2]}"
        print(line)
    sys.stderr.write(problems)
    return status


if __name__ == "__main__":
    sys.exit(main())
