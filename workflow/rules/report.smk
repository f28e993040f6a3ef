# manifest.json: what was run with what, and the checksum of every result. report.html: the run, to read.


include: "inputs/report.smk"


rule write_captions:
    """What Snakemake's own report says of each figure and table."""
    output:
        directory(CAPTIONS),
    log:
        RESULTS / "logs/captions.log",
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=500,
    params:
        captions=captions(PLAN),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/write_captions.py"


rule write_manifest:
    """Write down configuration, versions, machine and checksums."""
    input:
        get_tables(),
        get_figures(),
    output:
        RESULTS / "manifest.json",
    log:
        RESULTS / "logs/manifest.log",
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        config=CONFIG.model_dump(),
        code=get_code("write_manifest.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/write_manifest.py"


rule write_report:
    """One page for readers: claims, studies with figures and tables, a gallery of explanations."""
    input:
        get_first_files("data/{dataset}/dataset.h5", CONFIG.experiments),
        get_first_files(f"descriptors/{RUN}/descriptors.h5", PLAN.explained),
        get_first_files(f"iou/{RUN}/iou.h5", PLAN.masked),
        get_first_files(
            f"selection/{RUN}/{CONFIG.heatmaps.scope}/path.h5",
            CONFIG.experiments,
        ),
        [
            path
            for method in CONFIG.heatmaps.names
            for path in get_first_files(f"heatmaps/{RUN}/{method}.h5", PLAN.explained)
        ],
        tables=get_tables(),
        figures=get_figures(),
        manifest=RESULTS / "manifest.json",
    output:
        RESULTS / "report.html",
    log:
        RESULTS / "logs/report.log",
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
    params:
        explained=[
            {"dataset": e.dataset, "model": e.model, "masks": e in PLAN.masked}
            for e in PLAN.explained
        ],
        selected=[
            {"dataset": e.dataset, "model": e.model, "mu": e.heatmap_mu}
            for e in CONFIG.experiments
        ],
        methods=CONFIG.heatmaps.names,
        scope=CONFIG.heatmaps.scope,
        seed=CONFIG.seeds[0],
        page=get_page_digest(),
        code=get_code("write_report.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/write_report.py"
