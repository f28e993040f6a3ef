"""ablation.csv to its two figures."""

from vebi.figures.style import save
from vebi.io.tables import read_table
from vebi.run.job import job
from vebi.studies.ablation.figures import draw_ablation, draw_ablation_bars

with job(snakemake):
    table = read_table(snakemake.input[0], "ablation")
    mu_of = {(dataset, model): mu for dataset, model, mu in snakemake.params.mu}
    save(draw_ablation(table), snakemake.output.sweep)
    save(draw_ablation_bars(table, mu_of), snakemake.output.bars)
