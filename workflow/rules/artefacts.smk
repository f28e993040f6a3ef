# artefacts.h5: how much of the network's strides shows in each method's maps.

from vebi.config.artefacts import ArtefactScoreConfig


rule score_artefacts:
    """Share of each map's energy that a lattice with its layer's stride makes (VEBI 3.3)."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
        path=RESULTS / "selection" / RUN / CONFIG.heatmaps.scope / "path.h5",
        heatmaps=expand(
            RESULTS / "heatmaps" / RUN / "{method}.h5",
            method=CONFIG.heatmaps.names,
            allow_missing=True,
        ),
    output:
        RESULTS / "artefacts" / RUN / "artefacts.h5",
    log:
        RESULTS / "logs/artefacts" / RUN / "score.log",
    benchmark:
        RESULTS / "benchmarks/artefacts" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=get_settings(CONFIG.artefacts, *ArtefactScoreConfig.model_fields),
        mu=lambda wildcards: get_experiment(wildcards).heatmap_mu,
        device=CONFIG.device,
        code=get_code("score_artefacts.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/score_artefacts.py"
