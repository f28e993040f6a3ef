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
            method=CONFIG.heatmaps.methods,
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


rule tabulate_artefacts:
    """Grid-artefact scores with intervals, and paired differences between methods."""
    input:
        get_run_files("artefacts" / Path(RUN) / "artefacts.h5"),
    output:
        artefacts=in_report(RESULTS / "tables/artefacts.csv"),
        artefacts_paired=in_report(RESULTS / "tables/artefacts_paired.csv"),
    log:
        RESULTS / "logs/tables/artefacts.log",
    benchmark:
        RESULTS / "benchmarks/tables/artefacts.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        runs=get_runs(),
        bootstrap=CONFIG.iou.bootstrap,
        root_seed=CONFIG.seed,
        code=get_code("tabulate_artefacts.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/tabulate_artefacts.py"


rule draw_artefacts:
    """Grid-artefact scores over the layers."""
    input:
        RESULTS / "tables/artefacts.csv",
    output:
        in_report(RESULTS / "figures/artefacts.png"),
    log:
        RESULTS / "logs/figures/artefacts.log",
    benchmark:
        RESULTS / "benchmarks/figures/artefacts.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        code=get_code("draw_artefacts.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_artefacts.py"


rule draw_artefact_maps:
    """The same feature low and high in the network, by every method (the paper's Figs. 2 and 7)."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS
        / "models/{dataset}/{model}"
        / f"seed{CONFIG.seeds[0]}"
        / "model.pt",
        artefacts=RESULTS
        / "artefacts/{dataset}/{model}"
        / f"seed{CONFIG.seeds[0]}"
        / "artefacts.h5",
    output:
        in_report(RESULTS / "figures/artefact_maps_{dataset}_{model}.png"),
    log:
        RESULTS / "logs/figures/artefact_maps_{dataset}_{model}.log",
    benchmark:
        RESULTS / "benchmarks/figures/artefact_maps_{dataset}_{model}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=2000,
    params:
        examples=CONFIG.artefacts.examples if CONFIG.artefacts else 0,
        code=get_code("draw_artefact_maps.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_artefact_maps.py"
