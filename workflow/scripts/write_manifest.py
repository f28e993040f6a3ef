"""What was run with what, and the checksum of every result, to manifest.json."""

import os
from pathlib import Path

from vebi.code_digest import package_digest
from vebi.data.an8flower.launch import PACKAGE_ROOT
from vebi.determinism import device_of_networks
from vebi.job import job
from vebi.provenance import build_manifest, write_manifest

with job(snakemake):
    run = Path(snakemake.output[0]).parent
    config = snakemake.params.config
    manifest = build_manifest(
        run,
        config=config,
        package_digest=package_digest(),
        seeds=config["seeds"],
        device=device_of_networks(config["device"], config["ask_for_gpu"]),
        compute_threads=config["compute_threads"],
        cores=int(os.environ.get("VEBI_CORES") or 0) or None,
        benchmarks=run / "benchmarks",
        render_env=PACKAGE_ROOT.parent / ".venv-render",
    )
    write_manifest(Path(snakemake.output[0]), manifest)
