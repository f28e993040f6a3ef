"""The mu-Lasso of one descriptor file in several forms, with one pass over the file."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from vebi.descriptors.convert import convert
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.selection.path_file import Solution
from vebi.selection.select import Problem, solve_paths
from vebi.selection.statistics import Labels, Scope, read_shape, read_statistics
from vebi.selection.wide import is_wide


def as_variant(descriptors: str | Path, variant: str, folder: str | Path) -> Path:
    """The descriptor file itself if it holds `variant`, else one made from it in `folder`."""
    if open_descriptors(descriptors).variant == variant:
        return Path(descriptors)
    path = Path(folder) / f"{variant}.h5"
    convert(descriptors, path, variant)
    return path


def solve_forms(
    descriptors: str | Path,
    scopes: Sequence[Scope],
    signs: Sequence[bool],
    mus: Sequence[float],
    labels: Labels = "annotations",
) -> dict[tuple[Scope, bool], Solution]:
    """Exact paths for every scope and, by `signs`, W >= 0 (True) or signed (False), certified at `mus`.

    The sums over the rows are made once and serve all of them; very wide files are read for each.
    """
    with tempfile.TemporaryDirectory() as folder:
        sums = []
        if not is_wide(*read_shape(descriptors)):
            sums = [Path(folder) / "sums.h5"]
            read_statistics(descriptors, labels=labels).save(sums[0])
        return {
            (scope, nonnegative): solve_paths(
                descriptors,
                Path(folder) / "path.h5",
                Problem(scope=scope, labels=labels, nonnegative=nonnegative),
                mus=mus,
                sums=sums,
            )
            for scope in scopes
            for nonnegative in signs
        }
