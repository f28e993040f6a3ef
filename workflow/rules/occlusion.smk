# occlusion.h5: confidence in the prediction while the heatmaps' places are covered.


rule occlude:
    """Cover test images with boxes drawn from every method's heatmaps (VEBI 4.2)."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        heatmaps=expand(
            RESULTS / "heatmaps" / RUN / "{method}.h5",
            method=CONFIG.heatmaps.names,
            allow_missing=True,
        ),
    output:
        RESULTS / "occlusion" / RUN / "occlusion.h5",
    log:
        RESULTS / "logs/occlusion" / RUN / "occlude.log",
    benchmark:
        RESULTS / "benchmarks/occlusion" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=get_settings(CONFIG.occlusion),
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("occlude.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/occlude.py"
