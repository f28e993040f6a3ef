"""path.h5 of all runs to the figure of the whole path."""

from vebi.figures.plots import draw_selection_path
from vebi.figures.style import save
from vebi.job import job
from vebi.selection.store import read_solution
from vebi.selection.tables import trace_path

with job(snakemake):
    traces = {}
    for run, path in zip(snakemake.params.runs, snakemake.input, strict=True):
        key = (run["dataset"], run["model"], run["scope"])
        traces.setdefault(key, {})[run["seed"]] = trace_path(read_solution(path))
    save(draw_selection_path(traces), snakemake.output[0])
