"""Features of some scored images, drawn by every method, as a figure."""

from vebi.data.dataset import open_dataset
from vebi.figures.style import save
from vebi.models.model_file import load_model
from vebi.run.job import job
from vebi.studies.artefacts.artefacts_file import read_artefacts
from vebi.studies.artefacts.examples import draw_features
from vebi.studies.artefacts.figures import draw_artefact_maps

with job(snakemake):
    model, _ = load_model(snakemake.input.model)
    features = draw_features(
        model,
        open_dataset(snakemake.input.dataset),
        read_artefacts(snakemake.input.artefacts),
        snakemake.params.examples,
    )
    save(draw_artefact_maps(list(features)), snakemake.output[0])
