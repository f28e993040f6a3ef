# controls.csv: the selected features against controls that hold where whole layers are selected.


rule match_controls:
    """Remove the selected features, and others matched by layer, by norm and by share (VEBI 4.1)."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
        features=expand(
            RESULTS / "selection" / RUN / "{scope}" / "selected_features.csv",
            scope=CONFIG.selection.scopes,
            allow_missing=True,
        ),
    output:
        RESULTS / "controls" / RUN / "controls.csv",
    log:
        RESULTS / "logs/controls" / RUN / "match.log",
    benchmark:
        RESULTS / "benchmarks/controls" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=get_settings(CONFIG.controls),
        scopes=CONFIG.selection.scopes,
        mu=lambda wildcards: get_experiment(wildcards).heatmap_mu,
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("match_controls.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/match_controls.py"
