# One heatmap per test image and method.


include: "inputs/heatmaps.smk"


rule explain:
    """Explain the prediction of every test image by every method (VEBI 3.2 and 3.3, and others)."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
        path=RESULTS / "selection" / RUN / CONFIG.heatmaps.scope / "path.h5",
    output:
        expand(
            RESULTS / "heatmaps" / RUN / "{method}.h5",
            method=CONFIG.heatmaps.methods,
            allow_missing=True,
        ),
    log:
        RESULTS / "logs/heatmaps" / RUN / "explain.log",
    benchmark:
        RESULTS / "benchmarks/heatmaps" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=get_settings(CONFIG.heatmaps),
        resampling=get_sampling(),
        mu=lambda wildcards: get_experiment(wildcards).heatmap_mu,
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("explain.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/explain.py"
