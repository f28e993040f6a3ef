# The configuration, checked; names of files and targets. No rules.

import functools
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

from vebi.compute.devices import count_gpus_to_ask_for
from vebi.compute.processes import identify
from vebi.config import parse_config
from vebi.config.files import check_keys_once
from vebi.data.on_disk import leave_out_absent
from vebi.io.errors import VebiError
from vebi.io.calls import parse_call
from vebi.models.factory import find_source
from vebi.models.user_code import source_of
from vebi.models.weights_places import weights_places
from vebi.data.roots import is_file
from vebi.report.places import captions, place_in_report
from vebi.run.code_digest import code_digest, files_digest
from vebi.run.job_context import read_context
from vebi.run.lock import hold_run
from vebi.run.plan import RUN, Plan, Run
from vebi.studies.registry import STUDIES, drawn_figures, figure_names, table_names


def say_default_is_missing():
    """A line behind an error where the default configuration, on which others build, was not read."""
    if Path("config/config.yaml").is_file() or workflow.modifier.skip_configfile:
        return ""
    default = Path(workflow.current_basedir).parent / "config/config.yaml"
    return (
        f"\nThe default configuration was not found: config/config.yaml is looked for in {Path.cwd()}. "
        f"Give it as well: --configfile {default} YOURS.yaml"
    )


try:
    if workflow.is_main_process:
        check_keys_once(workflow.configfiles)
    CONFIG, LEFT_OUT = leave_out_absent(parse_config(config))
except VebiError as error:
    sys.exit(f"\n{error}{say_default_is_missing()}\n")
if LEFT_OUT and workflow.is_main_process:
    print("", *LEFT_OUT, "", sep="\n", file=sys.stderr)

WORKFLOW = Path(workflow.current_basedir)
# Scripts must import this folder's package, also where another copy is installed: Snakemake puts the
# folder at the start of its own path, but at the end of a script's.
os.environ.update(
    PYTHONPATH=os.pathsep.join(
        [str(WORKFLOW), *filter(None, [os.getenv("PYTHONPATH")])]
    )
)
RESULTS = Path("results") / CONFIG.run
PLAN = Plan(CONFIG, RESULTS)
# Where it lies: a module of another project can have a prefix, which Snakemake puts before every path.
FOLDER = Path(workflow.modifier.path_modifier.replace_prefix(str(RESULTS), "output"))
# A job ends with the Snakemake that started it, keeps checksums of its files in this folder, and may
# run the user's own code that the configuration names. Another module may have been here before.
CONTEXT = read_context()
IS_HERS = CONTEXT.owner == identify(os.getpid())
replace(
    CONTEXT,
    runs=tuple(dict.fromkeys([*(CONTEXT.runs if IS_HERS else ()), str(FOLDER)])),
    owner=identify(os.getpid()),
    factories=tuple(
        dict.fromkeys(
            [
                *(CONTEXT.factories if IS_HERS else ()),
                *(m.factory for m in CONFIG.models.values() if m.factory),
            ]
        )
    ),
    methods=tuple(method.model_dump() for method in CONFIG.heatmaps.own.values()),
).publish()
GPUS = count_gpus_to_ask_for(CONFIG.device, CONFIG.ask_for_gpu)
CAPTIONS = RESULTS / ".captions"


onstart:
    # For the manifest; a change of it reruns nothing.
    replace(read_context(), cores=workflow.resource_settings.cores or 0).publish()
    # Its limit of starts per second would wake Snakemake every second for each job that has finished.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    # One run at a time in a results folder, for as long as this process lives.
    try:
        hold_run(FOLDER)
    except VebiError as error:
        sys.exit(f"\n{error}\n")


def get_pattern(names):
    """What matches one of some names, in which a dot is a dot, and nothing else."""
    return "|".join(map(re.escape, names)) or "none"


wildcard_constraints:
    dataset=get_pattern(CONFIG.datasets),
    model=get_pattern(CONFIG.models),
    seed=r"\d+",
    scope="all|conv",
    chunk=r"\d{4}",
    method="|".join(map(re.escape, CONFIG.heatmaps.own)) or "none",


def get_code(script, *functions, versions=True):
    """Digest of a script and all code of the package that it reaches, so that an edit reruns it.

    `functions`: modules, or functions as `module:function`, that the script runs without naming them.
    `versions`: whether an upgrade of numpy, torch and the like reruns it, too.
    """
    # For the jobs that need it: a job on a cluster reads all rules again and runs one.
    digest = functools.cache(code_digest)
    return lambda wildcards: digest(
        WORKFLOW / "scripts" / script, *functions, versions=versions
    )


def get_settings(section, *keys):
    """The chosen keys of a section as plain values: what a rule's result depends on.

    Empty for a study that the configuration leaves out, whose rules nothing asks for.
    """
    return section.model_dump(include=set(keys) or None) if section else {}


def in_report(path):
    """A figure or table that Snakemake's report shows, under its study and with its caption."""
    place = place_in_report(path)
    return report(
        path,
        category=place.category,
        subcategory=place.subcategory,
        caption=os.path.relpath(CAPTIONS / f"{place.caption}.rst", WORKFLOW / "rules"),
        labels=lambda wildcards: place.labels_of(wildcards, CONFIG.shown_as),
    )


def get_experiment(wildcards):
    """The experiment of a dataset and a model."""
    return PLAN.experiment(wildcards.dataset, wildcards.model)


def get_run(wildcards):
    """The network of a job: dataset, model and seed."""
    return Run(
        dataset=wildcards.dataset, model=wildcards.model, seed=int(wildcards.seed)
    )


def get_read_tables(study, figure):
    """The tables that a figure shows, as far as the run has them."""
    names = [name for name in figure.reads if name in study.table_names(PLAN)]
    return [RESULTS / f"tables/{name}.csv" for name in names]


def get_figure_settings(figure):
    """What a figure depends on besides its files; of the experiment that it is about, if of one."""
    if figure.per == "experiment":
        return lambda wildcards: figure.settings(PLAN, get_experiment(wildcards))
    return figure.settings(PLAN, None)


def get_network_files(wildcards):
    """Weights and code that a network is made from, as far as they are there.

    Those that are missing end the job, with a message that says where to get them: a configuration
    can be planned without them.
    """
    model = CONFIG.models[wildcards.model]
    places = weights_places(model.weights) if model.weights else []
    source = find_source(model.factory) if model.factory else None
    found = [path for path in places if is_file(path)][:1]
    return found + [path for path in [source] if path and is_file(path)]


def get_method_files(names):
    """The user's code that makes heatmaps by the methods of these names, as far as it is there."""
    calls = [
        parse_call(method.function, "heatmap method")
        for name, method in CONFIG.heatmaps.own.items()
        if name in names
    ]
    sources = [source_of(call.module) for call in calls]
    return [path for path in dict.fromkeys(sources) if path and is_file(path)]


def get_tables():
    """Every table of the run."""
    names = [*table_names(PLAN), "claims"]
    return [RESULTS / "tables" / f"{name}.csv" for name in names]


def get_figures():
    """Every figure of the run."""
    return [RESULTS / "figures" / f"{name}.png" for name in figure_names(PLAN)]
