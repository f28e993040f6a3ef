"""Descriptors of all networks of one kind to invariance.csv."""

from vebi.io.files import write_text
from vebi.run.job import job
from vebi.studies.mcgill.invariance import compare_selections

with job(snakemake) as task:
    places = [tuple(place) for place in task.params.places]
    files = dict(zip(places, task.input, strict=True))
    table = compare_selections(files, sorted(task.params.mu), "annotations")
    write_text(task.output[0], table.to_csv(index=False, lineterminator="\n"))
