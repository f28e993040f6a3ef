"""robustness.h5 of all networks to the two tables."""

from pathlib import Path

from vebi.data.dataset import open_dataset
from vebi.data.scenes import read_scenes
from vebi.io.tables import write_table
from vebi.run.job import job
from vebi.studies.robustness.tables import tabulate

with job(snakemake):
    params = snakemake.params
    paths = [Path(path) for path in snakemake.input.findings]
    scenes = {
        name: read_scenes(open_dataset(path))
        for name, path in zip(params.datasets, snakemake.input.datasets, strict=True)
    }
    tables = tabulate(paths, params.runs, scenes, params.bootstrap, params.root_seed)
    write_table(snakemake.output.table, tables["robustness"], "robustness")
    write_table(snakemake.output.summary, tables["robustness_summary"], "robustness_summary")
