# One heatmap per test image and method.


include: "inputs/heatmaps.smk"


# The built-in methods share passes through the network, and so a job. Each of the user's has its own,
# whose time and memory its benchmark tells.
EXPLAINING = {
    "explain": (RUN, CONFIG.heatmaps.built_in),
    "explain_by": (f"{RUN}/{{method}}", ["{method}"] if CONFIG.heatmaps.own else []),
}


for _name, (_place, _methods) in EXPLAINING.items():
    if not _methods:
        continue

    rule:
        name:
            _name
        input:
            dataset=RESULTS / "data/{dataset}/dataset.h5",
            model=RESULTS / "models" / RUN / "model.pt",
            descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
            path=RESULTS / "selection" / RUN / CONFIG.heatmaps.scope / "path.h5",
            code=get_own_code,
        output:
            [RESULTS / "heatmaps" / RUN / f"{method}.h5" for method in _methods],
        log:
            RESULTS / "logs/heatmaps" / _place / "explain.log",
        benchmark:
            RESULTS / "benchmarks/heatmaps" / f"{_place}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: CONFIG.compute_threads
        resources:
            mem_mb=3000,
            gpu=GPUS,
        params:
            settings=get_heatmap_settings,
            mu=lambda wildcards: get_experiment(wildcards).heatmap_mu,
            root_seed=CONFIG.seed,
            device=CONFIG.device,
            code=get_code("explain.py"),
            compute_threads=CONFIG.compute_threads,
        script:
            "../scripts/explain.py"
