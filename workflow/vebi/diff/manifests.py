"""What changed between two runs apart from their results: config, versions, seeds, device."""

import json
from pathlib import Path
from typing import Any

from vebi.diff.other import leaves, read_json
from vebi.diff.report import Change
from vebi.io.errors import VebiError

MANIFEST = "manifest.json"
# In the order of interest. Checksums are left out (the files themselves are compared), and so are
# times and memory.
SECTIONS = ("config", "package", "versions", "seeds", "device", "threads", "machine")


def compare_manifests(a: Path | None, b: Path | None) -> tuple[list[Change], list[str]]:
    """Changed entries of two manifests, and notes on what could not be read."""
    notes: list[str] = []
    read: list[dict[str, Any]] = []
    for side, path in (("A", a), ("B", b)):
        if path is None:
            notes.append(f"{side} has no {MANIFEST}: provenance is not compared.")
            continue
        try:
            manifest = read_json(path, f"{MANIFEST} of {side}")
        except (VebiError, OSError) as error:
            notes.append(f"Provenance is not compared: {error}")
            continue
        if isinstance(manifest, dict):
            read.append(manifest)
        else:
            notes.append(f"{MANIFEST} of {side} is not a JSON object: provenance is not compared.")
    if len(read) < 2:
        # The committed reference has no manifest; two silent sides need no note.
        return [], [] if a is None and b is None else notes
    changes: list[Change] = []
    for section in SECTIONS:
        left = dict(leaves(read[0].get(section), section))
        right = dict(leaves(read[1].get(section), section))
        for entry in sorted(left.keys() | right.keys()):
            x, y = (json.dumps(s[entry]) if entry in s else "absent" for s in (left, right))
            # An empty or absent section is a leaf of its own name.
            if x != y and {x, y} != {"null", "absent"}:
                name = entry.removeprefix(f"{section}.")
                changes.append(Change(section, name, x.strip('"'), y.strip('"')))
    return changes, notes
