"""The tables of the McGill report to its figures."""

from pathlib import Path

from vebi.figures.style import save
from vebi.io.tables import read_table
from vebi.run.job import job
from vebi.studies.mcgill.figures import FIGURES

with job(snakemake):
    names = [Path(path).stem for path in snakemake.input]
    tables = {
        name: read_table(path, name) for name, path in zip(names, snakemake.input, strict=True)
    }
    kinds = {network["model"]: network["kind"] for network in snakemake.params.networks}
    for path in snakemake.output:
        save(FIGURES[Path(path).stem](tables, kinds), path)
