"""Model, descriptors and weights to sanity.h5."""

from pathlib import Path

from vebi.compute.devices import choose_device
from vebi.data.dataset import open_dataset
from vebi.descriptors import open_descriptors
from vebi.models.model_file import load_model
from vebi.run.job import job
from vebi.selection.path_file import read_solution
from vebi.studies.sanity.measure import measure

with job(snakemake):
    inputs, params = snakemake.input, snakemake.params
    device = choose_device(params.device)
    measure(
        load_model(inputs.model, device)[0],
        open_dataset(inputs.dataset),
        open_descriptors(inputs.descriptors),
        read_solution(inputs.path).weights_at(params.mu),
        Path(snakemake.output[0]),
        params.heatmaps["methods"],
        params.settings["images"],
        [params.root_seed, int(snakemake.wildcards.seed)],
        params.heatmaps["top"],
        params.heatmaps["batch_size"],
        params.settings["layers"],
        params.settings["independent"],
        # An input that may be absent comes as a list, else as the one file.
        load_model(inputs.random_labels, device)[0] if inputs.random_labels else None,
        device,
        params.heatmaps["ig_steps"],
    )
