# sanity.h5: how alike heatmaps stay when the network forgets what it learnt.

from vebi.config.sanity import RandomisationConfig


rule train_random_labels:
    """Train the same network on shuffled labels (Adebayo et al. 2018, data randomisation)."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        given=get_network_files,
    output:
        model=RESULTS / "models" / RUN / "random_labels.pt",
        history=RESULTS / "models" / RUN / "random_labels.csv",
    log:
        RESULTS / "logs/models" / RUN / "train_random_labels.log",
    benchmark:
        RESULTS / "benchmarks/models" / RUN / "random_labels.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=get_random_label_settings,
        images=CONFIG.sanity.random_label_images if CONFIG.sanity else None,
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("train_random_labels.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/train_random_labels.py"


rule check_sanity:
    """Randomise the network's layers from the top down, and compare every method's maps."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
        path=RESULTS / "selection" / RUN / CONFIG.heatmaps.scope / "path.h5",
        random_labels=get_random_label_model,
    output:
        RESULTS / "sanity" / RUN / "sanity.h5",
    log:
        RESULTS / "logs/sanity" / RUN / "check.log",
    benchmark:
        RESULTS / "benchmarks/sanity" / f"{RUN}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=get_settings(CONFIG.sanity, *RandomisationConfig.model_fields),
        heatmaps=get_settings(CONFIG.heatmaps),
        mu=lambda wildcards: get_experiment(wildcards).heatmap_mu,
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("check_sanity.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/check_sanity.py"


rule tabulate_sanity:
    """Similarities with intervals, paired differences, and a verdict on every method."""
    input:
        sanity=get_run_files("sanity" / Path(RUN) / "sanity.h5"),
        histories=[
            RESULTS / "models" / RUN.format(**run) / "random_labels.csv"
            for run in get_random_label_runs()
        ],
    output:
        sanity=in_report(RESULTS / "tables/sanity.csv"),
        sanity_paired=in_report(RESULTS / "tables/sanity_paired.csv"),
        sanity_verdict=in_report(RESULTS / "tables/sanity_verdict.csv"),
    log:
        RESULTS / "logs/tables/sanity.log",
    benchmark:
        RESULTS / "benchmarks/tables/sanity.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        runs=get_runs(),
        random_label_runs=get_random_label_runs(),
        bootstrap=CONFIG.iou.bootstrap,
        root_seed=CONFIG.seed,
        code=get_code("tabulate_sanity.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/tabulate_sanity.py"


rule draw_sanity:
    """Rank correlation of the maps against the layers randomised."""
    input:
        sanity=RESULTS / "tables/sanity.csv",
        sanity_verdict=RESULTS / "tables/sanity_verdict.csv",
    output:
        in_report(RESULTS / "figures/sanity.png"),
    log:
        RESULTS / "logs/figures/sanity.log",
    benchmark:
        RESULTS / "benchmarks/figures/sanity.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        code=get_code("draw_sanity.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/draw_sanity.py"
