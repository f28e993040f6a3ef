"""What was run with what, and the checksum of every result, to manifest.json."""

from pathlib import Path

from vebi.compute.devices import device_of_networks
from vebi.data.an8flower.launch import PACKAGE_ROOT
from vebi.run.code_digest import package_digest
from vebi.run.job import job
from vebi.run.job_context import read_context
from vebi.run.manifest import build_manifest, write_manifest

with job(snakemake) as task:
    run = Path(task.output[0]).parent
    config = task.params.config
    manifest = build_manifest(
        run,
        config=config,
        package_digest=package_digest(),
        seeds=config["seeds"],
        device=device_of_networks(config["device"], config["ask_for_gpu"]),
        cores=read_context().cores or None,
        render_env=PACKAGE_ROOT.parent / ".venv-render",
    )
    write_manifest(Path(task.output[0]), manifest)
