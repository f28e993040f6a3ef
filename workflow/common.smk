# The configuration, checked; names of files and targets. No rules.

import os
import sys
from pathlib import Path

from vebi.code_digest import code_digest
from vebi.config import parse_config
from vebi.config.on_disk import leave_out_absent, listing_files
from vebi.devices import count_gpus_to_ask_for
from vebi.errors import VebiError
from vebi.models.factory import ALLOWED, find_source
from vebi.models.files import weights_places

try:
    CONFIG, LEFT_OUT = leave_out_absent(parse_config(config))
except VebiError as error:
    sys.exit(f"\n{error}\n")
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
# A model file only names a user's own code; jobs may run what the configuration names, too.
os.environ[ALLOWED] = "\n".join(
    model.factory for model in CONFIG.models.values() if model.factory
)
RESULTS = Path("results") / CONFIG.run
GPUS = count_gpus_to_ask_for(CONFIG.device)
RUN = "{dataset}/{model}/seed{seed}"

RENDERED = [name for name, d in CONFIG.datasets.items() if d.kind == "an8flower"]
LOADED = [name for name, d in CONFIG.datasets.items() if d.kind != "an8flower"]
MASKED = [e for e in CONFIG.experiments if CONFIG.datasets[e.dataset].has_masks]


wildcard_constraints:
    dataset="|".join(CONFIG.datasets),
    model="|".join(CONFIG.models),
    seed=r"\d+",
    scope="all|conv",
    chunk=r"\d{4}",


def get_code(script, *modules):
    """Digest of a script and all code of the package that it reaches, so that an edit reruns it.

    `modules` are run by the script in another process, where no name leads to.
    """
    return code_digest(WORKFLOW / "scripts" / script, *modules)


def get_settings(section, *keys):
    """The chosen keys of a section as plain values: what a rule's result depends on.

    Empty for a study that the configuration leaves out, whose rules nothing asks for.
    """
    return section.model_dump(include=set(keys) or None) if section else {}


def get_experiment(wildcards):
    """The experiment of a dataset and a model."""
    return next(
        e
        for e in CONFIG.experiments
        if (e.dataset, e.model) == (wildcards.dataset, wildcards.model)
    )


def get_runs(experiments=None):
    """Every (dataset, model, seed) of the experiments, as dictionaries."""
    return [
        {"dataset": e.dataset, "model": e.model, "seed": seed}
        for e in (CONFIG.experiments if experiments is None else experiments)
        for seed in CONFIG.seeds
    ]


def get_run_files(pattern, experiments=None):
    """One file per run: `pattern` is relative to the results folder and has the run's wildcards."""
    return [str(RESULTS / pattern).format(**run) for run in get_runs(experiments)]


def get_datasets():
    """The data sets that an experiment uses, each once."""
    return list(dict.fromkeys(e.dataset for e in CONFIG.experiments))


def get_network_files(wildcards):
    """Weights and code that a network is made from, as far as they are there.

    Those that are missing end the job, with a message that says where to get them: a configuration
    can be planned without them.
    """
    model = CONFIG.models[wildcards.model]
    places = weights_places(model.weights) if model.weights else []
    source = find_source(model.factory) if model.factory else None
    found = [path for path in places if path.is_file()][:1]
    return found + [path for path in [source] if path and path.is_file()]


def get_listing_files(wildcards):
    """Files that say which images a data set has; an edit of them loads it again."""
    data = CONFIG.datasets[wildcards.dataset]
    return listing_files(data) if data.kind == "image_folder" else []


def get_load_settings(wildcards):
    """What a loaded data set depends on."""
    return CONFIG.datasets[wildcards.dataset].model_dump(exclude={"if_missing"})


def get_chunk_range(wildcards):
    """First image of a chunk and the one after its last."""
    data = CONFIG.datasets[wildcards.dataset]
    start = int(wildcards.chunk) * data.images_per_chunk
    return start, min(start + data.images_per_chunk, data.images)


def get_render_arguments(wildcards):
    """Command line of the renderer for a chunk."""
    data = CONFIG.datasets[wildcards.dataset]
    start, stop = get_chunk_range(wildcards)
    return (
        f"--set {data.flower_set} --seed {CONFIG.seed} --start {start} --stop {stop}"
        f" --size {data.size} --samples {data.samples} --views-per-base {data.views_per_base}"
        f" --device {'cpu' if CONFIG.device == 'cpu' else 'auto'}"
    )


def get_chunks(wildcards):
    """All chunks of a rendered data set."""
    data = CONFIG.datasets[wildcards.dataset]
    return [
        RESULTS / "data" / wildcards.dataset / "chunks" / f"{number:04d}.h5"
        for number in range(-(-data.images // data.images_per_chunk))
    ]


def get_sums():
    """Sums over the parts of a descriptor file; none where the selection reads the file itself."""
    if CONFIG.selection.parts == 1 and not GPUS:
        return []
    return [
        RESULTS / "selection" / RUN / f"sums/{part}.h5"
        for part in range(CONFIG.selection.parts)
    ]


def get_selection_files(name):
    """A file of every run and scope, in the order of the runs."""
    return expand(
        get_run_files("selection" / Path(RUN) / "{{scope}}" / name),
        scope=CONFIG.selection.scopes,
    )


def get_tables():
    """Every table of the run."""
    names = [
        "training",
        "selection",
        "selection_seeds",
        "selected_features",
        "ablation",
        "ablation_effect",
    ]
    if MASKED:
        names += ["iou_curve", "iou_auc", "iou_paired"]
    if CONFIG.occlusion:
        names += ["occlusion", "occlusion_paired"]
    if CONFIG.robustness:
        names += ["robustness", "robustness_summary"]
    if CONFIG.feature_counts:
        names += ["feature_counts"]
    return [RESULTS / "tables" / f"{name}.csv" for name in names]


def get_figures():
    """Every figure of the run."""
    names = ["training", "selection_path", "ablation", "ablation_bars"]
    names += [f"montage_{dataset}" for dataset in get_datasets()]
    names += [f"panels_{e.dataset}_{e.model}" for e in CONFIG.experiments]
    if MASKED:
        names += ["iou_curves"]
        names += [f"examples_{e.dataset}_{e.model}" for e in MASKED]
    if CONFIG.occlusion:
        names += ["occlusion"]
    if CONFIG.robustness:
        names += ["robustness"]
    if CONFIG.feature_counts:
        names += ["feature_counts"]
    return [RESULTS / "figures" / f"{name}.png" for name in names]
