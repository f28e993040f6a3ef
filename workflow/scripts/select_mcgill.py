"""Descriptors to the features that one solver selects."""

from vebi.io.files import write_text
from vebi.run.job import job
from vebi.selection.select import to_csv
from vebi.studies.mcgill.report_networks import WORKS
from vebi.studies.mcgill.solve import select_features

with job(snakemake):
    params = snakemake.params
    features, solutions = select_features(
        snakemake.input[0], WORKS[params.kind], sorted(params.mu), snakemake.wildcards.solver
    )
    write_text(snakemake.output.features, to_csv(features))
    write_text(snakemake.output.solutions, to_csv(solutions))
