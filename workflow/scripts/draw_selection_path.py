"""path.h5 of all runs to the figure of the whole path."""

from typing import Any

from vebi.figures.style import save
from vebi.run.job import job
from vebi.selection.path_file import read_solution
from vebi.selection.tables import trace_path
from vebi.studies.selection.figures import draw_selection_path

with job(snakemake):
    traces: dict[Any, dict[int, Any]] = {}
    n_images = {}
    for run, path in zip(snakemake.params.runs, snakemake.input, strict=True):
        key = (run["dataset"], run["model"], run["scope"])
        solution = read_solution(path)
        traces.setdefault(key, {})[run["seed"]] = trace_path(solution)
        n_images[key[:2]] = solution.n_samples
    save(draw_selection_path(traces, n_images), snakemake.output[0])
