"""dataset.h5 to model.pt and history.csv."""

from pathlib import Path

from vebi.data.store import open_dataset
from vebi.determinism import choose_device
from vebi.files import write_text
from vebi.job import job
from vebi.models.store import save_model
from vebi.models.train import TrainingSettings, train

with job(snakemake):
    settings = dict(snakemake.params.settings)
    network = settings.pop("network")
    dataset = open_dataset(snakemake.input.dataset)
    folders = [Path(path) for path in snakemake.output.checkpoints]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)

    def keep(epoch, net, spec):
        if epoch in snakemake.params.keep_epochs:
            for folder in folders:
                save_model(folder / f"{epoch}.pt", net, spec, list(dataset.classes))

    net, spec, history = train(
        dataset,
        network,
        TrainingSettings(**settings),
        int(snakemake.wildcards.seed),
        choose_device(snakemake.params.device),
        keep,
    )
    write_text(snakemake.output.history, history.to_csv(index=False, float_format="%.6f"))
    save_model(snakemake.output.model, net, spec, list(dataset.classes))
