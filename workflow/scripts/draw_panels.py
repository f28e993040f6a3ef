"""Some test images, their predictions and the maps of their top features, as a figure."""

from vebi.data.dataset import TEST, open_dataset
from vebi.explanation.explainer import load
from vebi.explanation.panels import draw_panels
from vebi.figures.images import pick_examples
from vebi.figures.style import save
from vebi.models.model_file import load_model
from vebi.run.job import job

with job(snakemake):
    inputs, params = snakemake.input, snakemake.params
    dataset = open_dataset(inputs.dataset)
    model, classes = load_model(inputs.model)
    chosen = pick_examples(dataset.labels, dataset.split, TEST, params.images)
    explainer = load(model, inputs.descriptors, inputs.path, mu=params.mu, classes=classes)
    explanations = explainer.explain(dataset.read("images", chosen), top=params.top)
    save(draw_panels(explanations), snakemake.output[0])
