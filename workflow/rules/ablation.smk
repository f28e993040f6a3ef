# ablation.csv: what is left of the accuracy without the selected features, or without others.


rule ablate:
    """Remove the selected features of every mu, and as many random ones (VEBI 4.1)."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        features=expand(
            RESULTS / "selection" / RUN / "{scope}" / "selected_features.csv",
            scope=CONFIG.selection.scopes,
            allow_missing=True,
        ),
    output:
        table=RESULTS / "ablation" / RUN / "ablation.csv",
        hits=RESULTS / "ablation" / RUN / "hits.h5",
    log:
        RESULTS / "logs/ablation" / RUN / "ablate.log",
    benchmark:
        RESULTS / "benchmarks/ablation" / f"{RUN}.tsv"
    # The longest jobs that nothing but tables waits for: started last they would run alone.
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=get_settings(CONFIG.ablation),
        scopes=CONFIG.selection.scopes,
        mu=CONFIG.selection.mu,
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("ablate.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/ablate.py"
