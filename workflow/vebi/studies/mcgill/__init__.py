"""The McGill reproduction of VEBI 4.1, reproduced and audited: two networks on MNIST, what they lose."""

from pathlib import Path
from typing import Any

from vebi.config.mcgill import McGillNetworkConfig
from vebi.config.stages import ExperimentConfig
from vebi.config.whole import Config as Config
from vebi.io.tables import Allowed, Table, allow
from vebi.record import paragraph
from vebi.run.plan import RUN, Plan, Run
from vebi.studies.columns import interval, with_interval
from vebi.studies.mcgill.report_networks import REPORTED, describe
from vebi.studies.record import Figure, Study, Tabulation

# What is the same on every machine.
FIXED = (
    Allowed("published_*", "exact", why="printed in the report"),
    Allowed("n_seeds", "exact"),
    *allow("n_features_total", "n_filters", kind="exact", why="the network's"),
    Allowed("reduced", "exact", why="set by the config"),
)
# Cut off at the report's limit of iterations, spgl1 is far from the optimum (relative_gap), and the last
# bits of X'X decide where it is then. What it has found is listed; what is computed from that follows.
SPGL1 = "solver=spgl1*"
FROM_SPGL1 = "computed from spgl1's solutions, which have not converged"
# What may differ in any of the report's tables.
VARYING = (
    Allowed("filters_dropped", "close", atol=3, rtol=0.1),
    Allowed("accuracy_*", "close", atol=0.1),
    Allowed("*p_value*", "follows", why="depends on single filters at the edge of the path"),
    Allowed(
        "*", "close", atol=0.1, rtol=0.2, why="features near the edge of the path enter or leave"
    ),
)
ALLOWED = (*FIXED, *VARYING)
# Of the two tables of the report, which are made alike.
REMOVAL_KEYS = ("model", "mu", "variant", "solver")
REMOVAL_VALUES = (
    *("filters_dropped", "accuracy_selected", "accuracy_random_mean", "accuracy_random_std"),
    *interval("selected"),
    *interval("random"),
    *with_interval("difference"),
    *("filters", "n_seeds", "n_draws", "relative_gap", "reduced", "published_dropped"),
    *("published_filters", "published_selected", "published_random", "over"),
)
REMOVAL_FORMATS = {
    "mu": "%g",
    "filters_dropped": "%.2f",
    "relative_gap": "%.2e",
    "published_dropped": "%.0f",
    "published_filters": "%.0f",
}


def get_networks(plan: Plan, audit: bool = False) -> list[McGillNetworkConfig]:
    """Networks of the report; with `audit` those that are examined more closely."""
    networks = plan.config.mcgill.networks if plan.config.mcgill else []
    return [network for network in networks if network.audit or not audit]


def get_seeds(plan: Plan) -> list[int]:
    """Seeds with which the networks are examined."""
    return plan.config.seeds[: plan.config.mcgill.seeds] if plan.config.mcgill else []


def get_runs(plan: Plan, audit: bool = False) -> list[Run]:
    """Every network of the report with every seed."""
    return [
        Run(dataset=network.dataset, model=network.model, seed=seed)
        for network in get_networks(plan, audit)
        for seed in get_seeds(plan)
    ]


def _solved(plan: Plan) -> list[tuple[Run, str]]:
    """Every run and solver."""
    return [
        (Run(dataset=network.dataset, model=network.model, seed=seed), solver)
        for network in get_networks(plan)
        for seed in get_seeds(plan)
        for solver in network.solvers
    ]


def get_facts(plan: Plan) -> list[dict[str, Any]]:
    """What the tables tell of each network."""
    config = plan.config
    return [
        {
            **describe(config, network),
            "n_classes": config.datasets[network.dataset].n_classes,
            "peer": network.peer,
        }
        for network in get_networks(plan)
    ]


def _inputs(plan: Plan) -> dict[str, list[Path]]:
    runs = get_runs(plan)
    return {
        "histories": plan.files(f"models/{RUN}/history.csv", runs),
        "studies": plan.files(f"mcgill/{RUN}/study.csv", runs),
        "solutions": [
            plan.results / "mcgill" / RUN.format(**run) / solver / "solutions.csv"
            for run, solver in _solved(plan)
        ],
        "invariance": [
            plan.results / "mcgill" / network.dataset / network.model / "invariance.csv"
            for network in get_networks(plan, audit=True)
        ],
        "sensitivity": plan.files(f"mcgill/{RUN}/sensitivity.csv", get_runs(plan, audit=True)),
    }


def _settings(plan: Plan) -> dict[str, Any]:
    return {
        "networks": get_facts(plan),
        "seeds": get_seeds(plan),
        "solved": [(run["model"], run["seed"]) for run, _ in _solved(plan)],
        "audited": [network.model for network in get_networks(plan, audit=True)],
    }


def _tables(plan: Plan) -> list[str]:
    """Those of the networks that there are, and of the audit where one is audited."""
    kinds = {network.kind for network in get_networks(plan)}
    left_out = {f"mcgill_{kind}" for kind in REPORTED if kind not in kinds}
    if not get_networks(plan, audit=True):
        left_out |= {"mcgill_invariance", "mcgill_sensitivity"}
    return [name for name in STUDY.tables if name not in left_out]


def _kinds(plan: Plan, _: ExperimentConfig | None) -> dict[str, Any]:
    return {"kinds": {network.model: network.kind for network in get_networks(plan)}}


STUDY = Study(
    name="mcgill",
    title="The McGill reproduction",
    place="McGill report, Figs. 3 and 4",
    question=paragraph("""
        An earlier reproduction found a tipping point: hundreds of filters can go without harm, then
        accuracy collapses. Is that a property of the networks, or of how the report removed filters
        and solved the mu-Lasso?
    """),
    tables={
        "mcgill_verdict": Table(
            keys=("model",),
            values=(
                *("verdict", "as_in_the_report", "corrected"),
                *with_interval("shift"),
                *with_interval("by_removal"),
                *with_interval("by_solver"),
                *("plateau", "fall", "n_censored", "peer", "n_seeds", "reduced", "conclusion"),
            ),
            text_values=("peer", "conclusion"),
            caption=paragraph("""
                Where the tipping point goes when removal and solver are corrected, and what that
                says about it, with 95 % intervals over networks. A tipping point that is never
                reached counts as 1, all filters; *n_censored* is how many there are.
            """),
            allowed=(
                *FIXED,
                *(
                    Allowed(column, "follows", why=FROM_SPGL1, rows="peer=spgl1*")
                    for column in ("verdict", "as_in_the_report", "shift*", "by_*", "n_censored")
                ),
                Allowed("verdict", "exact", why="what a reader takes home"),
                Allowed("conclusion", "show", why="the numbers that go with it, in words"),
                *VARYING,
            ),
        ),
        "mcgill_claims": Table(
            keys=("claim_id",),
            values=("source", "statement", "published", "measured", "ci_low", "ci_high", "verdict"),
            text_values=("source", "statement"),
            caption=paragraph("""
                The McGill report's claims: each row of its two tables, its tipping point, its
                resources.
            """),
            allowed=(
                Allowed("published", "exact", why="printed in the report"),
                Allowed("statement", "show", why="wording, with numbers"),
                Allowed("*", "follows", why="computed from the tables of the solvers"),
            ),
        ),
        "mcgill_matconvnet": Table(
            keys=REMOVAL_KEYS,
            values=REMOVAL_VALUES,
            formats=REMOVAL_FORMATS,
            caption=paragraph("""
                The report's Fig. 3, ours next to theirs. *variant* says what is removed from, with
                which labels, scored on which images, how filters are removed, and which random
                control. Intervals: 95 % over networks, of one network over its random draws
                (*over*).
            """),
            allowed=(*FIXED, Allowed("*", "follows", why=FROM_SPGL1, rows=SPGL1), *VARYING),
        ),
        "mcgill_keras": Table(
            keys=REMOVAL_KEYS,
            values=REMOVAL_VALUES,
            formats=REMOVAL_FORMATS,
            caption="The report's Fig. 4, ours next to theirs; columns as in the MatConvNet table.",
            allowed=(*FIXED, Allowed("*", "follows", why=FROM_SPGL1, rows=SPGL1), *VARYING),
        ),
        "mcgill_tipping_point": Table(
            keys=("model", "removal", "solver", "condition"),
            values=(
                *("filters_at_50", "ci_low", "ci_high", "filters_at_10", "filters_at_90"),
                *("largest_removed", "n_filters", "n_seeds", "n_seeds_reached", "reduced", "over"),
            ),
            formats={
                "filters_at_50": "%.2f",
                "ci_low": "%.2f",
                "ci_high": "%.2f",
                "filters_at_10": "%.2f",
                "filters_at_90": "%.2f",
            },
            caption=paragraph("""
                How many filters can go before 10 %, 50 % and 90 % of the accuracy above guessing is
                gone, with 95 % intervals over networks (none for one network, or where a curve
                never gets there).
            """),
            allowed=(
                *FIXED,
                Allowed("*", "follows", why=FROM_SPGL1, rows=SPGL1),
                Allowed("filters_at_50", "interval", rtol=0.2),
                *VARYING,
            ),
        ),
        "mcgill_networks": Table(
            keys=("model", "seed"),
            values=(
                *("kind", "dataset", "epochs", "train_accuracy", "test_accuracy", "n_filters"),
                *("published_filters", "published_accuracy", "reduced"),
            ),
            text_values=("kind", "dataset"),
            caption=paragraph("""
                The networks that are examined, next to the report's; *reduced* ones are smaller or
                saw less data.
            """),
            allowed=ALLOWED,
        ),
        "mcgill_solvers": Table(
            keys=("model", "seed", "labels", "scope", "solver", "mu"),
            values=(
                *("n_features", "n_features_total", "relative_gap", "iterations"),
                *("classes_at_limit", "peak_memory_gb"),
            ),
            caption=paragraph("""
                What each solver selects, how far from the optimum it stopped (relative duality
                gap), and in how many classes it ran into its limit of iterations.
            """),
            allowed=(
                *FIXED,
                Allowed("*", "show", why="where spgl1 stops depends on the last bits", rows=SPGL1),
                Allowed("relative_gap", "follows", why="rounding errors of an exact solution"),
                *VARYING,
            ),
        ),
        "mcgill_invariance": Table(
            keys=("model", "mu", "comparison", "seeds"),
            values=(
                *("n_first", "n_second", "n_filters", "n_shared", "jaccard", "jaccard_expected"),
                *("p_value", "jaccard_expected_per_layer", "p_value_per_layer"),
            ),
            formats={"p_value": "%.3e", "p_value_per_layer": "%.3e"},
            caption="Filters that two selections share, with what chance gives and exact p-values.",
            allowed=ALLOWED,
        ),
        "mcgill_sensitivity": Table(
            keys=("model", "seed", "factor", "level", "repeat", "mu", "layer"),
            values=("n_selected", "n_features", "n_shared", "n_reference"),
            formats={"n_shared": "%.0f", "n_reference": "%.0f"},
            caption=paragraph("""
                Selected filters of each layer against mu, the number of images, the descriptor and
                the labels.
            """),
            allowed=ALLOWED,
        ),
        "mcgill_curves": Table(
            keys=("model", "seed", "removal", "solver", "condition", "mu"),
            values=(
                *("n_removed", "accuracy", "accuracy_low", "accuracy_high", "n_filters", "reduced"),
            ),
            caption=(
                "Accuracy after removing filters, for each network, removal, solver and condition."
            ),
            allowed=(*FIXED, Allowed("*", "follows", why=FROM_SPGL1, rows=SPGL1), *VARYING),
        ),
    },
    figures={
        "mcgill_published": Figure(
            draw="vebi.studies.mcgill.figures:draw_published",
            caption=paragraph("""
                The report's Figs. 3 (MatConvNet) and 4 (Keras): accuracy after removing the filters
                that the mu-Lasso selects (orange) and as many random filters (blue), ours (dots, 95
                % intervals over networks, of one network over draws) and theirs (dashed crosses).
                Below each mu: the share of filters that is removed, ours / theirs. Upper row: set
                up as in the report (its removal, its solver cut off early, its images, its random
                control). Lower row: filters removed completely, selected by the exact solution,
                compared with random filters from the same layers, on test images. A network marked
                "reduced" is smaller or saw less data than the report's, so that its numbers can be
                compared with ours in other columns, not with the report's.
            """),
            reads=("mcgill_matconvnet", "mcgill_keras"),
            settings=_kinds,
        ),
        "mcgill_tipping_point": Figure(
            draw="vebi.studies.mcgill.figures:draw_tipping_point",
            caption=paragraph("""
                Is the tipping point of the report (nothing happens up to some 300 removed filters,
                then accuracy collapses) a property of the network? Test accuracy against the share
                of filters that is removed, from left to right as mu grows; a thin line per network,
                a thick one for their mean. Upper row: what the report's code does, which sets only
                the kernel of a filter's first input and its bias to zero; in all layers but the
                first the filter lives on. (In the MatConvNet network the first layer has one input,
                so that its filters are really removed.) Lower row: the filters' whole responses are
                set to zero. Orange: selected by the exact mu-Lasso (solid) or by spgl1 stopped
                early (dotted, dashed); blue: random filters, drawn from all layers or as many per
                layer as were selected. Dotted grey: half of the way down to guessing. Crosses: the
                report's numbers, in the row whose removal it used.
            """),
            reads=("mcgill_curves",),
            settings=_kinds,
        ),
        "mcgill_causes": Figure(
            draw="vebi.studies.mcgill.figures:draw_causes",
            caption=paragraph("""
                Where the tipping point goes. Each dot is the share of filters that can be removed
                before half of the accuracy above guessing is gone, with its 95 % interval over
                networks; the pale bar goes from 10 % to 90 % of the way down, so that a short bar
                far to the right is a tipping point and a long one is a gradual fall. An open
                triangle: half was never reached, however many filters were removed. Rows: how
                filters are removed (partially as in the report's code, or completely) and who
                selected them. Vertical dotted line: the tipping point in the report's printed
                numbers.
            """),
            reads=("mcgill_tipping_point",),
            settings=_kinds,
        ),
        "mcgill_invariance": Figure(
            draw="vebi.studies.mcgill.figures:draw_invariance",
            caption=paragraph("""
                Do the selected filters depend on what the network has learnt? Jaccard index (shared
                filters over filters in either set) between the selection in a trained network and
                in: a network trained from another seed, the same network before any training, and
                the same network trained on shuffled labels; a dot per pair. Grey and black bars:
                the index expected of two random sets of the same sizes, drawn from all filters, or
                with as many in each layer as they have. p: the smallest exact p-value of the pairs
                under the second null (hypergeometric within each layer). Filters of networks from
                different seeds do not correspond, so there only the layers can agree.
            """),
            reads=("mcgill_invariance",),
            settings=_kinds,
            wanted=lambda plan: bool(get_networks(plan, audit=True)),
        ),
        "mcgill_sensitivity": Figure(
            draw="vebi.studies.mcgill.figures:draw_sensitivity",
            caption=paragraph("""
                What decides how many filters of each layer are selected. From top to bottom: mu,
                read off the exact path at 41 values; the number of training images that the
                mu-Lasso sees (bands: range over draws and networks); the descriptor (the report's;
                L2 norm per channel as in VEBI's text; its square as in VEBI's code; the latter two
                have more layers); the labels (annotations or the network's own predictions). Means
                over networks.
            """),
            reads=("mcgill_sensitivity",),
            settings=_kinds,
            wanted=lambda plan: bool(get_networks(plan, audit=True)),
        ),
    },
    wanted=lambda plan: bool(get_networks(plan)),
    tabulate=Tabulation(
        function="vebi.studies.mcgill.tables:tabulate",
        inputs=_inputs,
        settings=_settings,
        tables=_tables,
    ),
    jobs={
        "train_mcgill_controls": "long",
        "describe_mcgill": "network",
        "describe_mcgill_controls": "network",
        "remove_mcgill": "network",
        "compare_mcgill": "cpu",
        "select_mcgill": "cpu",
        "vary_mcgill": "cpu",
    },
)
