# The configuration, checked; names of files and targets. No rules.

import functools
import os
import sys
from dataclasses import replace
from pathlib import Path

from vebi.claims.facts import READ, facts_of
from vebi.run.code_digest import code_digest, files_digest
from vebi.config import parse_config
from vebi.data.on_disk import leave_out_absent, listing_files
from vebi.data.roots import is_file
from vebi.compute.processes import identify
from vebi.compute.devices import count_gpus_to_ask_for
from vebi.io.errors import VebiError
from vebi.studies.mcgill.report_networks import SOLVERS, WORKS
from vebi.models.factory import ALLOWED, find_source
from vebi.models.weights_places import weights_places
from vebi.studies.registry import describe
from vebi.run.job_context import read_context
from vebi.run.lock import hold_run

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
# A job ends with the Snakemake that started it, and keeps checksums of its files in this folder.
replace(read_context(), run=str(RESULTS), owner=identify(os.getpid())).publish()
GPUS = count_gpus_to_ask_for(CONFIG.device, CONFIG.ask_for_gpu)
RUN = "{dataset}/{model}/seed{seed}"

RENDERED = [name for name, d in CONFIG.datasets.items() if d.kind == "an8flower"]
LOADED = [name for name, d in CONFIG.datasets.items() if d.kind != "an8flower"]
MASKED = [e for e in CONFIG.experiments if CONFIG.datasets[e.dataset].has_masks]
DISTRACTED = [
    e
    for e in MASKED
    if getattr(CONFIG.datasets[e.dataset], "flower_set", "").endswith("-distractors")
]

RESAMPLED = [
    e
    for e in CONFIG.experiments
    if CONFIG.resampling and e.dataset in (CONFIG.resampling.datasets or [e.dataset])
]


onstart:
    # For the manifest; a change of it reruns nothing.
    replace(read_context(), cores=workflow.resource_settings.cores or 0).publish()
    # One run at a time in a results folder, for as long as this process lives.
    try:
        hold_run(RESULTS)
    except VebiError as error:
        sys.exit(f"\n{error}\n")


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
    # For the jobs that need it: a job on a cluster reads all rules again and runs one.
    digest = functools.cache(code_digest)
    return lambda wildcards: digest(WORKFLOW / "scripts" / script, *modules)


def get_settings(section, *keys):
    """The chosen keys of a section as plain values: what a rule's result depends on.

    Empty for a study that the configuration leaves out, whose rules nothing asks for.
    """
    return section.model_dump(include=set(keys) or None) if section else {}


def in_report(path):
    """A figure or table that Snakemake's report shows, under its study and with its caption."""
    category, subcategory, caption, labels = describe(path)
    return report(
        path,
        category=category,
        subcategory=subcategory,
        caption=f"../report/{caption}",
        labels=labels,
    )


def get_explained():
    """Experiments whose heatmaps the run makes, which the report's gallery shows."""
    return CONFIG.experiments if CONFIG.artefacts or CONFIG.occlusion else MASKED


def get_first_files(pattern, experiments):
    """One file per experiment, of its first seed's network."""
    first = [run for run in get_runs(experiments) if run["seed"] == CONFIG.seeds[0]]
    return [str(RESULTS / pattern).format(**run) for run in first]


def get_page_digest():
    """Digest of the texts and of the page that the report is made from; an edit makes it again."""
    return files_digest(WORKFLOW / "report", WORKFLOW / "vebi/report/page")


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
    found = [path for path in places if is_file(path)][:1]
    return found + [path for path in [source] if path and is_file(path)]


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
    if not CONFIG.sums_descriptors_apart:
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


def get_resampled_runs():
    """Every (dataset, model, seed) whose neurons are studied under perturbation."""
    seeds = CONFIG.seeds[: CONFIG.resampling.seeds] if CONFIG.resampling else []
    return [run for run in get_runs(RESAMPLED) if run["seed"] in seeds]


def get_kept_epochs(wildcards):
    """Epochs after which a training keeps the network."""
    run = {
        "dataset": wildcards.dataset,
        "model": wildcards.model,
        "seed": int(wildcards.seed),
    }
    if run not in get_resampled_runs() or not CONFIG.resampling.epoch_study:
        return []
    trained = CONFIG.models[wildcards.model].epochs
    return [e for e in CONFIG.resampling.epoch_study.epochs if e <= trained]


def get_resampling_parts():
    """Files of the runs that the tables of input resampling are made of, by name."""
    if not RESAMPLED:
        return {}
    names = ["resampling", "transfer", "overlap", "claims"]
    if CONFIG.resampling.epoch_study:
        names += ["patches", "similarity"]
    return {
        name: [
            RESULTS / "resampling" / RUN.format(**run) / f"{name}.csv"
            for run in get_resampled_runs()
        ]
        for name in names
    }


def get_resampling_tables():
    """Names of the tables of input resampling."""
    others = [name for name in get_resampling_parts() if name != "patches"]
    return [f"resampling_{name}".replace("_resampling", "") for name in others]


def get_resampling_figures():
    """Names of the figures of input resampling."""
    if not RESAMPLED:
        return []
    names = ["influence", "transfer", "overlap"]
    names += ["epochs"] if CONFIG.resampling.epoch_study else []
    names += [f"scatter_{e.dataset}_{e.model}" for e in RESAMPLED]
    sheets = dict.fromkeys(f"perturbations_{e.dataset}" for e in RESAMPLED)
    return [f"resampling_{name}" for name in names] + list(sheets)


def get_mcgill_networks(audit=False):
    """Networks of the McGill report; with `audit` those that are examined more closely."""
    networks = CONFIG.mcgill.networks if CONFIG.mcgill else []
    return [network for network in networks if network.audit or not audit]


def get_mcgill_network(wildcards):
    """The settings of a network of the McGill report."""
    place = wildcards.dataset, wildcards.model
    return next(n for n in get_mcgill_networks() if (n.dataset, n.model) == place)


def get_mcgill_descriptor(wildcards):
    """The descriptor that the report uses for a network."""
    return WORKS[get_mcgill_network(wildcards).kind].descriptor


def get_mcgill_files(pattern, audit=False):
    """One file per network and seed."""
    return [
        str(RESULTS / pattern).format(dataset=n.dataset, model=n.model, seed=seed)
        for n in get_mcgill_networks(audit)
        for seed in get_mcgill_seeds()
    ]


def get_mcgill_seeds():
    """Seeds with which the networks of the McGill report are examined."""
    return CONFIG.seeds[: CONFIG.mcgill.seeds] if CONFIG.mcgill else []


def get_mcgill_features(wildcards):
    """What each solver selects in a network."""
    return [
        RESULTS / "mcgill" / RUN.format(**wildcards) / solver / "features.csv"
        for solver in get_mcgill_network(wildcards).solvers
    ]


def get_mcgill_solutions():
    """(model, seed, file) of every solver's certificates."""
    return [
        (
            network.model,
            seed,
            str(RESULTS / "mcgill" / RUN / solver / "solutions.csv").format(
                dataset=network.dataset, model=network.model, seed=seed
            ),
        )
        for network in get_mcgill_networks()
        for seed in get_mcgill_seeds()
        for solver in network.solvers
    ]


def get_mcgill_facts():
    """What the tables tell of each network."""
    return [
        {
            "model": network.model,
            "kind": network.kind,
            "dataset": network.dataset,
            "n_classes": CONFIG.datasets[network.dataset].n_classes,
            "peer": network.peer,
            "full": network.is_full(
                CONFIG.datasets[network.dataset], CONFIG.models[network.model]
            ),
        }
        for network in get_mcgill_networks()
    ]


def get_mcgill_tables():
    """Names of the tables of the McGill report."""
    kinds = dict.fromkeys(network.kind for network in get_mcgill_networks())
    names = [
        *kinds,
        "networks",
        "solvers",
        "curves",
        "tipping_point",
        "verdict",
        "claims",
    ]
    names += ["invariance", "sensitivity"] if get_mcgill_networks(audit=True) else []
    return [f"mcgill_{name}" for name in names] if kinds else []


def get_mcgill_figures():
    """Names of the figures of the McGill report."""
    if not get_mcgill_networks():
        return []
    names = ["published", "tipping_point", "causes"]
    names += ["invariance", "sensitivity"] if get_mcgill_networks(audit=True) else []
    return [f"mcgill_{name}" for name in names]


def get_random_label_runs():
    """The runs that also get a network trained on shuffled labels: of networks trained from nothing."""
    seeds = CONFIG.seeds[: CONFIG.sanity.random_label_seeds] if CONFIG.sanity else []
    return [
        run
        for run in get_runs()
        if run["seed"] in seeds
        and CONFIG.models[run["model"]].epochs
        and not CONFIG.models[run["model"]].weights
    ]


def get_random_label_settings(wildcards):
    """How a network is trained on shuffled labels: as its model, for its own number of epochs."""
    settings = CONFIG.models[wildcards.model].settings()
    return {**settings, "epochs": CONFIG.sanity.random_label_epochs}


def get_random_label_model(wildcards):
    """The network of a run that was trained on shuffled labels, if there is one."""
    run = {**wildcards, "seed": int(wildcards.seed)}
    if run not in get_random_label_runs():
        return []
    return str(RESULTS / "models" / RUN / "random_labels.pt").format(**run)


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
    names = names if CONFIG.experiments else []
    names += get_mcgill_tables()
    if MASKED:
        names += ["iou_curve", "iou_auc", "iou_paired", "localisation"]
    if DISTRACTED:
        names += ["distractors"]
    if CONFIG.artefacts and CONFIG.experiments:
        names += ["artefacts", "artefacts_paired"]
    if CONFIG.occlusion:
        names += ["occlusion", "occlusion_paired"]
    if CONFIG.sanity:
        names += ["sanity", "sanity_paired", "sanity_verdict"]
    names += get_resampling_tables()
    if CONFIG.robustness:
        names += ["robustness", "robustness_summary"]
    if CONFIG.feature_counts:
        names += ["feature_counts"]
    names += ["claims"]
    return [RESULTS / "tables" / f"{name}.csv" for name in names]


def get_figures():
    """Every figure of the run."""
    names = ["training", "selection_path", "ablation", "ablation_bars"]
    names = names if CONFIG.experiments else []
    names += get_mcgill_figures()
    names += [f"montage_{dataset}" for dataset in get_datasets()]
    names += [f"panels_{e.dataset}_{e.model}" for e in CONFIG.experiments]
    if MASKED:
        names += ["iou_curves", "localisation"]
        names += [f"examples_{e.dataset}_{e.model}" for e in MASKED]
    if DISTRACTED:
        names += ["distractors"]
    if CONFIG.average:
        names += [f"average_{e.dataset}_{e.model}" for e in CONFIG.experiments]
    if CONFIG.artefacts and CONFIG.experiments:
        names += ["artefacts"]
        names += [f"artefact_maps_{e.dataset}_{e.model}" for e in CONFIG.experiments]
    if CONFIG.occlusion:
        names += ["occlusion"]
    if CONFIG.sanity:
        names += ["sanity"]
    names += get_resampling_figures()
    if CONFIG.robustness:
        names += ["robustness"]
    if CONFIG.feature_counts:
        names += ["feature_counts"]
    return [RESULTS / "figures" / f"{name}.png" for name in names]
