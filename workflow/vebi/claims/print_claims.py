"""`vebi claims`: the claims of one or several runs, for people."""

from collections.abc import Sequence
from pathlib import Path

import typer

from vebi.claims.merge import merge, read_claims
from vebi.claims.show import show, to_markdown


def run_claims(runs: Sequence[Path], markdown: bool) -> None:
    """Print the claims of `runs`; see `merge`."""
    merged = merge([(run.resolve().name, read_claims(run)) for run in runs])
    if markdown:
        typer.echo(to_markdown(merged), nl=False)
    else:
        show(merged)
