# scores.csv: methods of this and other libraries, scored on one network, next to controls.


rule score_methods:
    """Score methods and controls by every measure of the benchmark on one network."""
    input:
        model=RESULTS / "models" / RUN / "model.pt",
        path=RESULTS / "selection" / RUN / CONFIG.heatmaps.scope / "path.h5",
        interventions=RESULTS / "data/{dataset}/interventions.h5",
    output:
        RESULTS / "benchmark" / RUN / "scores.csv",
    log:
        RESULTS / "logs/benchmark" / f"{RUN}.log",
    benchmark:
        RESULTS / "benchmarks/benchmark" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=2500,
    params:
        settings=get_settings(CONFIG.benchmark),
        run=get_run,
        mu=lambda wildcards: get_experiment(wildcards).heatmap_mu,
        descriptor=CONFIG.selection.descriptor,
        code=get_code("score_methods.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/score_methods.py"
