# tables/*.csv: what the runs found, all data sets, models and seeds together.


rule tabulate_runs:
    """Stack the tables of all runs, and compare the ablations."""
    input:
        training=get_run_files("models" / Path(RUN) / "history.csv"),
        selection=get_selection_files("selection.csv"),
        selected_features=get_selection_files("selected_features.csv"),
        ablation=get_run_files("ablation" / Path(RUN) / "ablation.csv"),
        hits=get_run_files("ablation" / Path(RUN) / "hits.h5"),
        datasets=[RESULTS / f"data/{dataset}/dataset.h5" for dataset in get_datasets()],
    output:
        training=in_report(RESULTS / "tables/training.csv"),
        selection=in_report(RESULTS / "tables/selection.csv"),
        selection_seeds=in_report(RESULTS / "tables/selection_seeds.csv"),
        selected_features=in_report(RESULTS / "tables/selected_features.csv"),
        ablation=in_report(RESULTS / "tables/ablation.csv"),
        ablation_effect=in_report(RESULTS / "tables/ablation_effect.csv"),
    log:
        RESULTS / "logs/tables/runs.log",
    benchmark:
        RESULTS / "benchmarks/tables/runs.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        runs=get_runs(),
        datasets=get_datasets(),
        bootstrap=CONFIG.iou.bootstrap,
        root_seed=CONFIG.seed,
        code=get_code("tabulate_runs.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/tabulate_runs.py"


rule tabulate_iou:
    """How the heatmaps lie on the masks: IoU, paired differences, mass, rank, pointing game."""
    input:
        get_run_files("iou" / Path(RUN) / "iou.h5", MASKED),
    output:
        **{
            "distractors": in_report(RESULTS / "tables/distractors.csv")
            for _ in DISTRACTED[:1]
        },
        curve=in_report(RESULTS / "tables/iou_curve.csv"),
        auc=in_report(RESULTS / "tables/iou_auc.csv"),
        paired=in_report(RESULTS / "tables/iou_paired.csv"),
        localisation=in_report(RESULTS / "tables/localisation.csv"),
    log:
        RESULTS / "logs/tables/iou.log",
    benchmark:
        RESULTS / "benchmarks/tables/iou.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=2000,
    params:
        runs=get_runs(MASKED),
        bootstrap=CONFIG.iou.bootstrap,
        root_seed=CONFIG.seed,
        code=get_code("tabulate_iou.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/tabulate_iou.py"
