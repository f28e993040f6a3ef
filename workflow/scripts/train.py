"""dataset.h5 to model.pt and history.csv."""

import shutil
from pathlib import Path

from vebi.compute.devices import choose_device
from vebi.data.dataset import open_dataset
from vebi.io.files import atomic_path, write_text
from vebi.models.model_file import save_model
from vebi.models.train import TrainingSettings, train
from vebi.run.checkpoint import checkpoint_of
from vebi.run.job import job

with job(snakemake):
    settings = dict(snakemake.params.settings)
    network = settings.pop("network")
    dataset = open_dataset(snakemake.input.dataset)
    device = choose_device(snakemake.params.device)
    names = [f"{epoch}.pt" for epoch in snakemake.params.keep_epochs]
    with checkpoint_of(snakemake, snakemake.output.model, device) as checkpoint:
        # Not yet among the outputs, which Snakemake deletes when a job was cut off.
        kept = checkpoint.folder / "epochs"

        def keep(epoch, net, spec):
            if epoch in snakemake.params.keep_epochs:
                save_model(kept / f"{epoch}.pt", net, spec, list(dataset.classes))

        seed = int(snakemake.wildcards.seed)
        net, spec, history = train(
            dataset, network, TrainingSettings(**settings), seed, device, keep, checkpoint
        )
        for folder in map(Path, snakemake.output.checkpoints):
            folder.mkdir(parents=True, exist_ok=True)
            for name in names:
                with atomic_path(folder / name) as temporary:
                    shutil.copyfile(kept / name, temporary)
        write_text(snakemake.output.history, history.to_csv(index=False, float_format="%.6f"))
        save_model(snakemake.output.model, net, spec, list(dataset.classes))
