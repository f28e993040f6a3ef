# How well the training images determine which features are selected, and what other rankings find.


rule resample_selection:
    """Bootstrap of the selection by the exact path; rival rankings, by ablation and IoU (VEBI 3.1, 4.1, 4.3)."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
        path=RESULTS / "selection" / RUN / CONFIG.heatmaps.scope / "path.h5",
    output:
        stability=RESULTS / "identifiability" / RUN / "stability.csv",
        supports=RESULTS / "identifiability" / RUN / "supports.csv",
        rivals=RESULTS / "identifiability" / RUN / "rivals.h5",
    log:
        RESULTS / "logs/identifiability" / RUN / "resample.log",
    benchmark:
        RESULTS / "benchmarks/identifiability" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=4000,
        gpu=GPUS,
    params:
        settings=get_settings(CONFIG.identifiability),
        mu=lambda wildcards: get_experiment(wildcards).heatmap_mu,
        problem={
            "scope": CONFIG.heatmaps.scope,
            "labels": CONFIG.selection.labels,
            "nonnegative": CONFIG.selection.nonnegative,
        },
        thresholds=CONFIG.iou.thresholds,
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("resample_selection.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/resample_selection.py"
