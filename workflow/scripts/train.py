"""dataset.h5 to model.pt and history.csv."""

import shutil
from pathlib import Path

from torch import nn

from vebi.data.dataset import open_dataset
from vebi.io.files import atomic_path, write_text
from vebi.models.model_file import save_model
from vebi.models.nets import NetSpec
from vebi.models.train import train
from vebi.run.checkpoint import checkpoint_of
from vebi.run.job import job
from vebi.studies.job_inputs import training_of

with job(snakemake) as task:
    network, settings = training_of(task)
    dataset = open_dataset(task.input.dataset)
    with checkpoint_of(task, task.output.model) as checkpoint:
        # Not yet among the outputs, which Snakemake deletes when a job was cut off.
        kept = checkpoint.folder / "epochs"

        def keep(epoch: int, net: nn.Module, spec: NetSpec) -> None:
            if epoch in task.params.keep_epochs:
                save_model(kept / f"{epoch}.pt", net, spec, list(dataset.classes))

        net, spec, history = train(
            dataset,
            network,
            settings,
            task.seed,
            task.device,
            after_epoch=keep,
            checkpoint=checkpoint,
        )
        for folder in map(Path, task.output.checkpoints):
            folder.mkdir(parents=True, exist_ok=True)
            for name in [f"{epoch}.pt" for epoch in task.params.keep_epochs]:
                with atomic_path(folder / name) as temporary:
                    shutil.copyfile(kept / name, temporary)
        write_text(task.output.history, history.to_csv(index=False, float_format="%.6f"))
        save_model(task.output.model, net, spec, list(dataset.classes))
