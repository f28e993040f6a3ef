"""Descriptors of one network to sensitivity.csv."""

from vebi.io.files import write_text
from vebi.run.job import job
from vebi.studies.mcgill.report_networks import WORKS
from vebi.studies.mcgill.sensitivity import vary

with job(snakemake):
    params, given = snakemake.params, snakemake.input
    work = WORKS[params.kind]
    table = vary(
        {
            work.descriptor: given.trained,
            "vebi_text": given.vebi_text,
            "vebi_code": given.vebi_code,
        },
        work,
        sorted(params.settings["compared_mu"]),
        params.mu_max,
        params.settings["sizes"],
        params.settings["size_repeats"],
        [params.root_seed, int(snakemake.wildcards.seed)],
    )
    write_text(snakemake.output[0], table.to_csv(index=False, lineterminator="\n"))
