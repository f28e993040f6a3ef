"""Descriptors to the features that one solver selects."""

from vebi.io.files import write_text
from vebi.run.job import job
from vebi.selection.select import to_csv
from vebi.studies.mcgill.report_networks import REPORTED
from vebi.studies.mcgill.solve import select_features

with job(snakemake) as task:
    features, solutions = select_features(
        task.input[0], REPORTED[task.params.kind], sorted(task.params.mu), task.wildcards.solver
    )
    write_text(task.output.features, to_csv(features))
    write_text(task.output.solutions, to_csv(solutions))
