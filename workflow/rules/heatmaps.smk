# One heatmap per test image and method. The built-in methods share passes through the network, and so a job;
# each of the user's has its own, whose time and memory its benchmark tells.


include: "inputs/heatmaps.smk"


rule explain:
    """Explain the prediction of every test image by the built-in methods (VEBI 3.2 and 3.3, and others)."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
        path=RESULTS / "selection" / RUN / CONFIG.heatmaps.scope / "path.h5",
    output:
        # A rule needs an output, also where there are the user's methods only and nothing asks for it.
        expand(
            RESULTS / "heatmaps" / RUN / "{method}.h5",
            method=CONFIG.heatmaps.built_in or ["none"],
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
        settings=get_settings_of(CONFIG.heatmaps.built_in),
        resampling=get_sampling(),
        mu=lambda wildcards: get_experiment(wildcards).heatmap_mu,
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("explain.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/explain.py"


rule explain_by:
    """Explain the prediction of every test image by a method of the user's."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
        path=RESULTS / "selection" / RUN / CONFIG.heatmaps.scope / "path.h5",
        code=lambda wildcards: get_method_files([wildcards.method]),
    output:
        RESULTS / "heatmaps" / RUN / "{method}.h5",
    log:
        RESULTS / "logs/heatmaps" / RUN / "{method}.log",
    benchmark:
        RESULTS / "benchmarks/heatmaps" / RUN / "{method}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=get_own_settings,
        resampling={},
        mu=lambda wildcards: get_experiment(wildcards).heatmap_mu,
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("explain.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/explain.py"
