# path.h5: the mu-Lasso of every class, for every mu at once.


include: "inputs/selection.smk"


rule sum_descriptors:
    """Sum X'X and X'L over one part of the rows, on the GPU if there is one."""
    input:
        descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
    output:
        temp(RESULTS / "selection" / RUN / "sums/{part}.h5"),
    log:
        RESULTS / "logs/selection" / RUN / "sums/{part}.log",
    benchmark:
        RESULTS / "benchmarks/selection" / RUN / "sums/{part}.tsv"
    wildcard_constraints:
        part=r"\d+",
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=4000,
        gpu=GPUS,
    params:
        labels=CONFIG.selection.labels,
        parts=CONFIG.selection.parts,
        device=CONFIG.device,
        code=get_code("sum_descriptors.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/sum_descriptors.py"


rule select:
    """Follow the mu-Lasso's path (Eq. 1) of every class and certify it at every mu of the sweep."""
    input:
        descriptors=RESULTS / "descriptors" / RUN / "descriptors.h5",
        sums=get_sums(),
    output:
        path=RESULTS / "selection" / RUN / "{scope}" / "path.h5",
        selection=RESULTS / "selection" / RUN / "{scope}" / "selection.csv",
        features=RESULTS / "selection" / RUN / "{scope}" / "selected_features.csv",
    log:
        RESULTS / "logs/selection" / RUN / "{scope}.log",
    benchmark:
        RESULTS / "benchmarks/selection" / RUN / "{scope}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=2000,
    params:
        settings=get_settings(CONFIG.selection, "labels", "nonnegative", "solver", "mu"),
        code=get_code("select.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/select.py"
