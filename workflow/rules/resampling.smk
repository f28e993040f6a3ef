# Input resampling: neurons that matter when the input is perturbed.


rule resample:
    """Correlation and precision of a network's neurons, and what the selected ones do."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        path=RESULTS / "selection" / RUN / CONFIG.heatmaps.scope / "path.h5",
    output:
        resampling=RESULTS / "resampling" / RUN / "resampling.csv",
        transfer=RESULTS / "resampling" / RUN / "transfer.csv",
        overlap=RESULTS / "resampling" / RUN / "overlap.csv",
        claims=RESULTS / "resampling" / RUN / "claims.csv",
        metrics=RESULTS / "resampling" / RUN / "metrics.h5",
    log:
        RESULTS / "logs/resampling" / RUN / "resample.log",
    benchmark:
        RESULTS / "benchmarks/resampling" / RUN / "resample.tsv"
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
        bootstrap=CONFIG.iou.bootstrap,
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
        patches=RESULTS / "resampling" / RUN / "patches.csv",
        similarity=RESULTS / "resampling" / RUN / "similarity.csv",
    log:
        RESULTS / "logs/resampling" / RUN / "follow_epochs.log",
    benchmark:
        RESULTS / "benchmarks/resampling" / RUN / "follow_epochs.tsv"
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


rule tabulate_resampling:
    """Stack what all runs found under perturbation."""
    input:
        **get_resampling_parts(),
    output:
        **{
            name: in_report(RESULTS / "tables" / f"{name}.csv")
            for name in get_resampling_tables()
        },
    log:
        RESULTS / "logs/tables/resampling.log",
    benchmark:
        RESULTS / "benchmarks/tables/resampling.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        parts=list(get_resampling_parts()),
        runs=get_resampled_runs(),
        epochs={e.model: CONFIG.models[e.model].epochs for e in RESAMPLED},
        code=get_code("tabulate_resampling.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/tabulate_resampling.py"


rule draw_resampling:
    """What removing the selected channels does, where else they fire, and where the sets meet."""
    input:
        resampling=RESULTS / "tables/resampling.csv",
        transfer=RESULTS / "tables/resampling_transfer.csv",
        overlap=RESULTS / "tables/resampling_overlap.csv",
    output:
        influence=in_report(RESULTS / "figures/resampling_influence.png"),
        transfer=in_report(RESULTS / "figures/resampling_transfer.png"),
        overlap=in_report(RESULTS / "figures/resampling_overlap.png"),
    log:
        RESULTS / "logs/figures/resampling.log",
    benchmark:
        RESULTS / "benchmarks/figures/resampling.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        k=CONFIG.resampling.k[0] if CONFIG.resampling else 0,
        code=get_code("draw_resampling.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_resampling.py"


rule draw_resampling_epochs:
    """Patch accuracy and similarity of the selections over the epochs, beside the published ends."""
    input:
        resampling=RESULTS / "tables/resampling.csv",
        similarity=RESULTS / "tables/resampling_similarity.csv",
    output:
        in_report(RESULTS / "figures/resampling_epochs.png"),
    log:
        RESULTS / "logs/figures/resampling_epochs.log",
    benchmark:
        RESULTS / "benchmarks/figures/resampling_epochs.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        code=get_code("draw_resampling_epochs.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_resampling_epochs.py"


rule draw_resampling_scatter:
    """Correlation against precision of every channel, layer by layer."""
    input:
        RESULTS
        / "resampling/{dataset}/{model}"
        / f"seed{CONFIG.seeds[0]}"
        / "metrics.h5",
    output:
        in_report(RESULTS / "figures/resampling_scatter_{dataset}_{model}.png"),
    log:
        RESULTS / "logs/figures/resampling_scatter_{dataset}_{model}.log",
    benchmark:
        RESULTS / "benchmarks/figures/resampling_scatter_{dataset}_{model}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        k=CONFIG.resampling.k[0] if CONFIG.resampling else 0,
        code=get_code("draw_resampling_scatter.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_resampling_scatter.py"


rule draw_perturbations:
    """A contact sheet: some copies of an image by every perturbation."""
    input:
        RESULTS / "data/{dataset}/dataset.h5",
    output:
        in_report(RESULTS / "figures/perturbations_{dataset}.png"),
    log:
        RESULTS / "logs/figures/perturbations_{dataset}.log",
    benchmark:
        RESULTS / "benchmarks/figures/perturbations_{dataset}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1500,
    params:
        settings=get_settings(CONFIG.resampling, "perturbations", "copies"),
        root_seed=CONFIG.seed,
        code=get_code("draw_perturbations.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_perturbations.py"
