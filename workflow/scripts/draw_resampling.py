"""Tables of input resampling to figures of influence, transfer and overlap."""

from vebi.figures.style import save
from vebi.io.tables import read_table
from vebi.run.job import job
from vebi.studies.perturbation.figures import draw_influence, draw_overlap, draw_transfer

with job(snakemake):
    source, output, k = snakemake.input, snakemake.output, snakemake.params.k
    save(draw_influence(read_table(source.resampling, "resampling"), k), output.influence)
    save(draw_transfer(read_table(source.transfer, "resampling_transfer"), k), output.transfer)
    save(draw_overlap(read_table(source.overlap, "resampling_overlap"), k), output.overlap)
