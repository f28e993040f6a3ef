"""Descriptors of one network to sensitivity.csv."""

from vebi.config.mcgill import SensitivityConfig
from vebi.io.files import write_text
from vebi.run.job import job
from vebi.studies.mcgill.report_networks import REPORTED
from vebi.studies.mcgill.sensitivity import vary

with job(snakemake) as task:
    reported, given = REPORTED[task.params.kind], task.input
    table = vary(
        {
            reported.descriptor: given.trained,
            "vebi_text": given.vebi_text,
            "vebi_code": given.vebi_code,
        },
        reported,
        task.settings(SensitivityConfig),
        mu_max=task.params.mu_max,
        key=task.seed_key,
    )
    write_text(task.output[0], table.to_csv(index=False, lineterminator="\n"))
