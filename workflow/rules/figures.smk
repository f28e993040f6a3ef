# figures/*.png, each with a vector PDF beside it.


rule draw_montage:
    """Some images of a data set, beside their masks."""
    input:
        RESULTS / "data/{dataset}/dataset.h5",
    output:
        in_report(RESULTS / "figures/montage_{dataset}.png"),
    log:
        RESULTS / "logs/figures/montage_{dataset}.log",
    benchmark:
        RESULTS / "benchmarks/figures/montage_{dataset}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1500,
    params:
        code=get_code("draw_montage.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_montage.py"


rule draw_training:
    """Test accuracy over the epochs."""
    input:
        histories=get_run_files("models" / Path(RUN) / "history.csv"),
        datasets=[RESULTS / f"data/{dataset}/dataset.h5" for dataset in get_datasets()],
    output:
        in_report(RESULTS / "figures/training.png"),
    log:
        RESULTS / "logs/figures/training.log",
    benchmark:
        RESULTS / "benchmarks/figures/training.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        runs=get_runs(),
        datasets=get_datasets(),
        code=get_code("draw_training.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_training.py"


rule draw_selection_path:
    """Features selected and objective along the whole mu path."""
    input:
        expand(
            [
                RESULTS / "selection" / RUN.format(**run) / "{scope}" / "path.h5"
                for run in get_runs()
            ],
            scope=CONFIG.selection.scopes,
        ),
    output:
        in_report(RESULTS / "figures/selection_path.png"),
    log:
        RESULTS / "logs/figures/selection_path.log",
    benchmark:
        RESULTS / "benchmarks/figures/selection_path.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=2000,
    params:
        runs=[
            {**run, "scope": scope}
            for run in get_runs()
            for scope in CONFIG.selection.scopes
        ],
        code=get_code("draw_selection_path.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_selection_path.py"


rule draw_ablation:
    """Accuracy left without the selected features: over mu, and as the paper's Fig. 4."""
    input:
        RESULTS / "tables/ablation.csv",
    output:
        sweep=in_report(RESULTS / "figures/ablation.png"),
        bars=in_report(RESULTS / "figures/ablation_bars.png"),
    log:
        RESULTS / "logs/figures/ablation.log",
    benchmark:
        RESULTS / "benchmarks/figures/ablation.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        mu=[[e.dataset, e.model, e.heatmap_mu] for e in CONFIG.experiments],
        code=get_code("draw_ablation.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_ablation.py"


rule draw_iou:
    """The IoU curves of all methods (the paper's Fig. 8)."""
    input:
        curve=RESULTS / "tables/iou_curve.csv",
        auc=RESULTS / "tables/iou_auc.csv",
    output:
        in_report(RESULTS / "figures/iou_curves.png"),
    log:
        RESULTS / "logs/figures/iou_curves.log",
    benchmark:
        RESULTS / "benchmarks/figures/iou_curves.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        code=get_code("draw_iou.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_iou.py"


rule draw_examples:
    """Image, mask and every method's heatmap (the paper's Fig. 9)."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        heatmaps=[
            RESULTS
            / "heatmaps/{dataset}/{model}"
            / f"seed{CONFIG.seeds[0]}"
            / f"{method}.h5"
            for method in CONFIG.heatmaps.methods
        ],
        iou=RESULTS / "iou/{dataset}/{model}" / f"seed{CONFIG.seeds[0]}" / "iou.h5",
    output:
        in_report(RESULTS / "figures/examples_{dataset}_{model}.png"),
    log:
        RESULTS / "logs/figures/examples_{dataset}_{model}.log",
    benchmark:
        RESULTS / "benchmarks/figures/examples_{dataset}_{model}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1500,
    params:
        images=CONFIG.panels.images,
        code=get_code("draw_examples.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_examples.py"


rule draw_panels:
    """Image, predicted class and the maps of its top features (the paper's Fig. 6)."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS
        / "models/{dataset}/{model}"
        / f"seed{CONFIG.seeds[0]}"
        / "model.pt",
        path=RESULTS
        / "selection/{dataset}/{model}"
        / f"seed{CONFIG.seeds[0]}"
        / CONFIG.heatmaps.scope
        / "path.h5",
        descriptors=RESULTS
        / "descriptors/{dataset}/{model}"
        / f"seed{CONFIG.seeds[0]}"
        / "descriptors.h5",
    output:
        in_report(RESULTS / "figures/panels_{dataset}_{model}.png"),
    log:
        RESULTS / "logs/figures/panels_{dataset}_{model}.log",
    benchmark:
        RESULTS / "benchmarks/figures/panels_{dataset}_{model}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=2000,
    params:
        images=CONFIG.panels.images,
        top=CONFIG.heatmaps.top,
        mu=lambda wildcards: get_experiment(wildcards).heatmap_mu,
        code=get_code("draw_panels.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_panels.py"
