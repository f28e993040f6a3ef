# tables/*.csv: what the runs found, all data sets, models and seeds together; a job per study.


for _study in STUDIES:
    if _study.tabulate is None or not _study.table_names(PLAN):
        continue

    rule:
        name:
            f"tabulate_{_study.name}"
        input:
            **_study.tabulate.inputs(PLAN),
        output:
            [
                in_report(RESULTS / f"tables/{name}.csv")
                for name in _study.table_names(PLAN)
            ],
        log:
            RESULTS / f"logs/tables/{_study.name}.log",
        benchmark:
            RESULTS / f"benchmarks/tables/{_study.name}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: CONFIG.compute_threads
        resources:
            mem_mb=_study.tabulate.memory_mb,
        params:
            function=_study.tabulate.function,
            settings=_study.tabulate.settings(PLAN),
            tables=_study.tables,
            code=get_code("tabulate.py", _study.tabulate.function),
            compute_threads=CONFIG.compute_threads,
        script:
            "../scripts/tabulate.py"
