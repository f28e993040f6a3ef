"""Descriptors to the features that one solver selects."""

from vebi.files import write_text
from vebi.job import job
from vebi.mcgill.solve import select_features
from vebi.mcgill.works import WORKS
from vebi.selection.select import to_csv

with job(snakemake):
    params = snakemake.params
    features, solutions = select_features(
        snakemake.input[0], WORKS[params.kind], sorted(params.mu), snakemake.wildcards.solver
    )
    write_text(snakemake.output.features, to_csv(features))
    write_text(snakemake.output.solutions, to_csv(solutions))
