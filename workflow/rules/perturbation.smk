# Input resampling: neurons that matter when the input is perturbed.


rule resample:
    """Correlation and precision of a network's neurons, and what the selected ones do."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        path=RESULTS / "selection" / RUN / CONFIG.heatmaps.scope / "path.h5",
    output:
        resampling=RESULTS / "perturbation" / RUN / "resampling.csv",
        transfer=RESULTS / "perturbation" / RUN / "transfer.csv",
        overlap=RESULTS / "perturbation" / RUN / "overlap.csv",
        claims=RESULTS / "perturbation" / RUN / "claims.csv",
        metrics=RESULTS / "perturbation" / RUN / "metrics.h5",
    log:
        RESULTS / "logs/perturbation" / RUN / "resample.log",
    benchmark:
        RESULTS / "benchmarks/perturbation" / RUN / "resample.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=get_settings(
            CONFIG.resampling,
            *("perturbations", "copies", "k", "images", "reference", "repeats"),
            "batch_size",
        ),
        mu=lambda wildcards: get_experiment(wildcards).heatmap_mu,
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("resample.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/resample.py"


rule follow_epochs:
    """How alike the selections are, and what their patches are good for, as the network learns."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        checkpoints=RESULTS / "models" / RUN / "epochs",
    output:
        patches=RESULTS / "perturbation" / RUN / "patches.csv",
        similarity=RESULTS / "perturbation" / RUN / "similarity.csv",
    log:
        RESULTS / "logs/perturbation" / RUN / "follow_epochs.log",
    benchmark:
        RESULTS / "benchmarks/perturbation" / RUN / "follow_epochs.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=get_settings(
            CONFIG.resampling,
            *("perturbations", "copies", "k", "batch_size", "epoch_study"),
        ),
        epochs=get_kept_epochs,
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("follow_epochs.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/follow_epochs.py"
