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


rule tabulate_robustness:
    """Judge every ordering in every setting, over the seeds' networks."""
    input:
        findings=get_run_files("robustness" / Path(RUN) / "robustness.h5", MASKED),
        datasets=[
            RESULTS / "data" / dataset / "dataset.h5"
            for dataset in dict.fromkeys(e.dataset for e in MASKED)
        ],
    output:
        table=in_report(RESULTS / "tables/robustness.csv"),
        summary=in_report(RESULTS / "tables/robustness_summary.csv"),
    log:
        RESULTS / "logs/tables/robustness.log",
    benchmark:
        RESULTS / "benchmarks/tables/robustness.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        runs=get_runs(MASKED),
        datasets=list(dict.fromkeys(e.dataset for e in MASKED)),
        bootstrap=CONFIG.iou.bootstrap,
        root_seed=CONFIG.seed,
        code=get_code("tabulate_robustness.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/tabulate_robustness.py"


rule draw_robustness:
    """Where each ordering holds, at a glance."""
    input:
        RESULTS / "tables/robustness.csv",
    output:
        in_report(RESULTS / "figures/robustness.png"),
    log:
        RESULTS / "logs/figures/robustness.log",
    benchmark:
        RESULTS / "benchmarks/figures/robustness.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        code=get_code("draw_robustness.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_robustness.py"
