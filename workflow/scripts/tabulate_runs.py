"""The tables of single runs to one table each, and the comparison of the ablations."""

from vebi.ablation.effect import compare
from vebi.job import job
from vebi.tables import stack_runs, write_table

with job(snakemake):
    params = snakemake.params
    tables = {
        name: stack_runs(snakemake.input[name], params.runs, last_row_only=name == "training")
        for name in ("training", "selection", "selected_features", "ablation")
    }
    tables["ablation_effect"] = compare(tables["ablation"], params.bootstrap, params.root_seed)
    for name, table in tables.items():
        write_table(snakemake.output[name], table, name)
