"""dataset.h5 to model.pt and history.csv."""

from vebi.data.store import open_dataset
from vebi.determinism import choose_device
from vebi.files import write_text
from vebi.job import job
from vebi.models.store import save_model
from vebi.models.train import TrainingSettings, train

with job(snakemake):
    settings = dict(snakemake.params.settings)
    architecture = settings.pop("architecture")
    settings.pop("n_classes")
    dataset = open_dataset(snakemake.input.dataset)
    net, spec, history = train(
        dataset,
        architecture,
        TrainingSettings(**settings),
        int(snakemake.wildcards.seed),
        choose_device(snakemake.params.device),
    )
    write_text(snakemake.output.history, history.to_csv(index=False, float_format="%.6f"))
    save_model(snakemake.output.model, net, spec, list(dataset.classes))
