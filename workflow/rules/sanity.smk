# sanity.h5: how alike heatmaps stay when the network forgets what it learnt.

from vebi.config.sanity import RandomisationConfig


include: "inputs/sanity.smk"


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
        code=get_method_files(CONFIG.heatmaps.own),
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
        resampling=get_sampling(),
        selection=get_settings(CONFIG.selection, "labels", "nonnegative", "solver"),
        mu=lambda wildcards: get_experiment(wildcards).heatmap_mu,
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("check_sanity.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/check_sanity.py"
