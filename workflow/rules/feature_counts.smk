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
