# claims.csv: every checkable claim of the three works, and what the run's tables say of it.

from vebi.claims.facts import facts_of


rule tabulate_claims:
    """Published number, ours, and a verdict by the rule that goes with it."""
    input:
        [path for path in get_tables() if path.stem != "claims"],
    output:
        in_report(RESULTS / "tables/claims.csv"),
    log:
        RESULTS / "logs/tables/claims.log",
    benchmark:
        RESULTS / "benchmarks/tables/claims.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG.compute_threads
    resources:
        mem_mb=1000,
    params:
        facts=facts_of(CONFIG),
        code=get_code("tabulate_claims.py"),
        compute_threads=CONFIG.compute_threads,
    script:
        "../scripts/tabulate_claims.py"
