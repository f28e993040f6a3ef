"""Descriptors of all networks of one kind to invariance.csv."""

from vebi.io.files import write_text
from vebi.run.job import job
from vebi.studies.mcgill.invariance import compare_selections

with job(snakemake):
    places = [tuple(place) for place in snakemake.params.places]
    files = dict(zip(places, snakemake.input, strict=True))
    table = compare_selections(files, sorted(snakemake.params.mu), "annotations")
    write_text(snakemake.output[0], table.to_csv(index=False, lineterminator="\n"))
