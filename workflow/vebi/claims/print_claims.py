"""`vebi claims`: the claims of one or several runs, for people."""

from collections.abc import Sequence
from pathlib import Path

import typer

from vebi.claims.merge import merge, read_claims
from vebi.claims.show import show, to_markdown
from vebi.io.json_output import records, write_json


def run_claims(runs: Sequence[Path], markdown: bool, json: Path | None = None) -> None:
    """Print the claims of `runs`; see `merge`. `json`: as JSON, to a file or `-`, standard output."""
    merged = merge([(run.resolve().name, read_claims(run)) for run in runs])
    if json is not None:
        write_json(records(merged), json)
    elif markdown:
        typer.echo(to_markdown(merged), nl=False)
    else:
        show(merged)
