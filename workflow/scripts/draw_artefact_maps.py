"""Features of some scored images, drawn by every method, as a figure."""

from vebi.artefacts.examples import draw_features
from vebi.artefacts.store import read_artefacts
from vebi.data.store import open_dataset
from vebi.figures.artefacts import draw_artefact_maps
from vebi.figures.style import save
from vebi.job import job
from vebi.models.store import load_model

with job(snakemake):
    model, _ = load_model(snakemake.input.model)
    features = draw_features(
        model,
        open_dataset(snakemake.input.dataset),
        read_artefacts(snakemake.input.artefacts),
        snakemake.params.examples,
    )
    save(draw_artefact_maps(list(features)), snakemake.output[0])
