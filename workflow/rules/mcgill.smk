# mcgill/: the McGill report's two networks, what they lose, and why. A folder per network and seed.

from vebi.config.mcgill import RemovalConfig, SensitivityConfig
from vebi.studies.mcgill import get_seeds
from vebi.studies.mcgill.report_networks import SOLVERS


include: "inputs/mcgill.smk"


rule train_mcgill_controls:
    """The same network untrained, and trained on shuffled labels."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        given=get_network_files,
    output:
        untrained=RESULTS / "mcgill" / RUN / "untrained.pt",
        shuffled_labels=RESULTS / "mcgill" / RUN / "shuffled_labels.pt",
    log:
        RESULTS / "logs/mcgill" / RUN / "train_controls.log",
    benchmark:
        RESULTS / "benchmarks/mcgill" / RUN / "train_controls.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        settings=lambda wildcards: CONFIG.models[wildcards.model].settings(),
        shuffled_epochs=CONFIG.mcgill and CONFIG.mcgill.shuffled_epochs,
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("train_mcgill_controls.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/train_mcgill_controls.py"


rule describe_mcgill:
    """Descriptors as the report makes them."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
    output:
        RESULTS / "mcgill" / RUN / "trained.h5",
    log:
        RESULTS / "logs/mcgill" / RUN / "describe.log",
    benchmark:
        RESULTS / "benchmarks/mcgill" / RUN / "describe.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        variant=get_mcgill_descriptor,
        device=CONFIG.device,
        code=get_code("describe.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/describe.py"


rule describe_mcgill_controls:
    """The same descriptors of the control networks, and other descriptors of the trained one."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        trained=RESULTS / "models" / RUN / "model.pt",
        untrained=RESULTS / "mcgill" / RUN / "untrained.pt",
        shuffled_labels=RESULTS / "mcgill" / RUN / "shuffled_labels.pt",
    output:
        untrained=RESULTS / "mcgill" / RUN / "untrained.h5",
        shuffled_labels=RESULTS / "mcgill" / RUN / "shuffled_labels.h5",
        vebi_text=RESULTS / "mcgill" / RUN / "vebi_text.h5",
        vebi_code=RESULTS / "mcgill" / RUN / "vebi_code.h5",
    log:
        RESULTS / "logs/mcgill" / RUN / "describe_controls.log",
    benchmark:
        RESULTS / "benchmarks/mcgill" / RUN / "describe_controls.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        variant=get_mcgill_descriptor,
        device=CONFIG.device,
        code=get_code("describe_mcgill_controls.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/describe_mcgill_controls.py"


rule select_mcgill:
    """Filters that one solver selects at every mu; its benchmark file is the row of resources."""
    input:
        RESULTS / "mcgill" / RUN / "trained.h5",
    output:
        features=RESULTS / "mcgill" / RUN / "{solver}/features.csv",
        solutions=RESULTS / "mcgill" / RUN / "{solver}/solutions.csv",
    log:
        RESULTS / "logs/mcgill" / RUN / "select_{solver}.log",
    benchmark:
        RESULTS / "benchmarks/mcgill" / RUN / "select_{solver}.tsv"
    wildcard_constraints:
        solver="|".join(SOLVERS),
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=2000,
    params:
        kind=lambda wildcards: get_mcgill_network(wildcards).kind,
        mu=lambda wildcards: get_mcgill_network(wildcards).mu,
        code=get_code("select_mcgill.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/select_mcgill.py"


rule remove_mcgill:
    """Remove the selected filters and as many random ones, partially and completely."""
    input:
        dataset=RESULTS / "data/{dataset}/dataset.h5",
        model=RESULTS / "models" / RUN / "model.pt",
        features=get_mcgill_features,
    output:
        RESULTS / "mcgill" / RUN / "study.csv",
    log:
        RESULTS / "logs/mcgill" / RUN / "remove.log",
    benchmark:
        RESULTS / "benchmarks/mcgill" / RUN / "remove.tsv"
    # The longest jobs that nothing but tables waits for: started last they would run alone.
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=3000,
        gpu=GPUS,
    params:
        kind=lambda wildcards: get_mcgill_network(wildcards).kind,
        settings=get_settings(CONFIG.mcgill, *RemovalConfig.model_fields),
        root_seed=CONFIG.seed,
        device=CONFIG.device,
        code=get_code("remove_mcgill.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/remove_mcgill.py"


rule compare_mcgill:
    """Selected sets of trained, untrained and wrongly trained networks, against chance."""
    input:
        [
            RESULTS / "mcgill/{dataset}/{model}" / f"seed{seed}" / f"{training}.h5"
            for seed in get_seeds(PLAN)
            for training in ("trained", "untrained", "shuffled_labels")
        ],
    output:
        RESULTS / "mcgill/{dataset}/{model}/invariance.csv",
    log:
        RESULTS / "logs/mcgill/{dataset}/{model}/compare.log",
    benchmark:
        RESULTS / "benchmarks/mcgill/{dataset}/{model}/compare.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=2000,
    params:
        places=[
            (seed, training)
            for seed in get_seeds(PLAN)
            for training in ("trained", "untrained", "shuffled_labels")
        ],
        mu=CONFIG.mcgill and CONFIG.mcgill.compared_mu,
        code=get_code("compare_mcgill.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/compare_mcgill.py"


rule vary_mcgill:
    """Selected filters per layer against mu, the number of images, the descriptor, the labels."""
    input:
        trained=RESULTS / "mcgill" / RUN / "trained.h5",
        vebi_text=RESULTS / "mcgill" / RUN / "vebi_text.h5",
        vebi_code=RESULTS / "mcgill" / RUN / "vebi_code.h5",
    output:
        RESULTS / "mcgill" / RUN / "sensitivity.csv",
    log:
        RESULTS / "logs/mcgill" / RUN / "vary.log",
    benchmark:
        RESULTS / "benchmarks/mcgill" / RUN / "vary.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=2000,
    params:
        kind=lambda wildcards: get_mcgill_network(wildcards).kind,
        mu_max=lambda wildcards: max(get_mcgill_network(wildcards).mu),
        settings=get_settings(CONFIG.mcgill, *SensitivityConfig.model_fields),
        root_seed=CONFIG.seed,
        code=get_code("vary_mcgill.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/vary_mcgill.py"
