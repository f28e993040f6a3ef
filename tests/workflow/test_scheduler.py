"""Snakemake's scheduler works when a job ends, and sleeps in between."""

import pytest

pytestmark = pytest.mark.slow

CONFIG = """\
experiments: [{dataset: digits, model: matconvnet-digits, heatmap_mu: 5}]
models: {matconvnet-digits: {epochs: 3}}
"""


def test_the_scheduler_looks_for_jobs_once_when_one_ends(checkout, tmp_path):
    config = tmp_path / "one.yaml"
    config.write_text(CONFIG)
    targets = [
        f"results/one/models/digits/matconvnet-digits/seed{seed}/model.pt" for seed in (0, 1, 2)
    ]
    call = ("--cores", "1", "--configfile", str(config), "--config", "run=one", "--verbose")
    done = checkout.snakemake(*call, "--", *targets)
    text = done.stdout + done.stderr
    n_jobs = text.count("Finished jobid")
    assert n_jobs == 4
    assert text.count("Resources before job selection") <= 2 * n_jobs
