"""Studies of all networks and seeds to the tables of the McGill report."""

from pathlib import Path
from typing import Any

import pandas as pd

from vebi.io.tables import write_table
from vebi.run.job import job
from vebi.studies.mcgill.tables import Network, make_tables

with job(snakemake):
    params, given = snakemake.params, snakemake.input
    networks = [Network(**network) for network in params.networks]
    places = [(network.model, seed) for network in networks for seed in params.seeds]
    audited = [(model, seed) for model in params.audited for seed in params.seeds]

    def read(files: Any, keys: Any) -> list[tuple[Any, pd.DataFrame]]:
        """(key, table) of each file."""
        tables = (pd.read_csv(path, dtype={"level": str}) for path in files)
        return list(zip([tuple(key) for key in keys], tables, strict=True))

    tables = make_tables(
        networks,
        histories=dict(read(given.histories, places)),
        studies=dict(read(given.studies, places)),
        solutions=read(given.solutions, params.solvers),
        invariance=dict(zip(params.audited, map(pd.read_csv, given.invariance), strict=True)),
        sensitivity=dict(read(given.sensitivity, audited)),
        n_resamples=params.bootstrap,
        seed=params.root_seed,
    )
    for path in snakemake.output:
        write_table(path, tables[Path(path).stem], Path(path).stem)
