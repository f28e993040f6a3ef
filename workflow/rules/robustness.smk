# robustness.csv: in which variants of the method the paper's orderings hold.


rule study_robustness:
    """Select, explain and ablate one network under every variant of the method (VEBI 4.1, 4.3)."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
    output:
        RESULTS / "robustness" / RUN / "robustness.h5",
    log:
        RESULTS / "logs/robustness" / RUN / "study.log",
    benchmark:
        RESULTS / "benchmarks/robustness" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=get_settings(CONFIG.robustness),
        labels=CONFIG.selection.labels,
        heatmaps=get_settings(CONFIG.heatmaps, "top", "batch_size"),
        thresholds=CONFIG.iou.thresholds,
        ablation_batch=CONFIG.ablation.batch_size,
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("study_robustness.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/study_robustness.py"
