# feature_counts.csv: how many features each variant of the method selects.


rule count_features:
    """Select with every descriptor and sign of W (Eq. 1), and count."""
    input:
        RESULTS / "descriptors" / RUN / "descriptors.h5",
    output:
        RESULTS / "feature_counts" / RUN / "feature_counts.csv",
    log:
        RESULTS / "logs/feature_counts" / RUN / "count.log",
    benchmark:
        RESULTS / "benchmarks/feature_counts" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=2000,
    params:
        settings=get_settings(CONFIG.feature_counts),
        scopes=CONFIG.selection.scopes,
        labels=CONFIG.selection.labels,
        code=get_code("count_features.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/count_features.py"


rule tabulate_feature_counts:
    """Stack the counts of all runs."""
    input:
        get_run_files("feature_counts" / Path(RUN) / "feature_counts.csv"),
    output:
        in_report(RESULTS / "tables/feature_counts.csv"),
    log:
        RESULTS / "logs/tables/feature_counts.log",
    benchmark:
        RESULTS / "benchmarks/tables/feature_counts.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        runs=get_runs(),
        code=get_code("tabulate_feature_counts.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/tabulate_feature_counts.py"


rule draw_feature_counts:
    """The counts beside those that the paper prints."""
    input:
        RESULTS / "tables/feature_counts.csv",
    output:
        in_report(RESULTS / "figures/feature_counts.png"),
    log:
        RESULTS / "logs/figures/feature_counts.log",
    benchmark:
        RESULTS / "benchmarks/figures/feature_counts.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        code=get_code("draw_feature_counts.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_feature_counts.py"
