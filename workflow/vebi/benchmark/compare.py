"""What `vebi benchmark` does: anyone's methods alongside known ones and controls, by every measure."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vebi.benchmark import controls, reference
from vebi.benchmark.bench import Bench, Maps, open_own, open_run
from vebi.benchmark.score import score, summarise
from vebi.catalogue.methods import BUILT_IN as BUILT_IN_NAMES
from vebi.catalogue.methods import Method, Negative, further_methods, get_method, user_method
from vebi.io.errors import VebiError
from vebi.studies.sanity.similarity import rank_correlation

YOURS, KNOWN, NEGATIVE, POSITIVE = "yours", "known", "negative control", "positive control"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Methods, known ones and controls on the same networks and scenes.

    `scores` as `score.SCORES`, in no order; `seconds` per image by network's name and method, of the
    user's methods.
    """

    scores: pd.DataFrame
    seconds: Mapping[tuple[str, str], float]

    @property
    def table(self) -> pd.DataFrame:
        """One row per network's name and method: see `summarise`."""
        return summarise(self.scores, self.seconds)


def methods_of(texts: Sequence[str], negative: Negative = "positive") -> list[Method]:
    """Methods as the command line names them: `FUNCTION`, or `NAME: FUNCTION`.

    Raises:
        VebiError: another form, a name that is listed twice or is taken, or a built-in method.
    """
    found: dict[str, Method] = {}
    for place, text in enumerate(texts):
        name, _, function = text.rpartition(": ")
        one = user_method(name or function, function, negative, place)
        if one.name in found or one.name in (*BUILT_IN_NAMES, *controls.CONTROLS):
            raise VebiError(
                f"'{one.name}' stands for another method: write --method 'NAME: {function}'."
            )
        found[one.name] = one
    return list(found.values())


def benchmark(
    methods: Sequence[Method],
    *,
    dataset: str,
    model: str | None = None,
    weights: str | None = None,
    run_folder: Path | None = None,
    factories: Sequence[str] = (),
) -> Comparison:
    """Score methods alongside known ones and controls.

    Without a run the networks and scenes are those published with the package, and known methods and
    controls have their published scores. With a network of the user's, the effects of the interventions
    on that network are measured here, and the built-in methods that explain a class too.

    Args:
        methods: those that explain the predicted class; their maps are made here.
        dataset: a data set of the package, or of the run.
        model: one of its networks, None: all; or the user's: `module:function` or `file.py:function`,
            which returns it.
        weights: of the user's network: a file with its state dict.
        run_folder: of a finished run with the study `interventions`, None: the package.
        factories: the user's code that the run's networks may be made with.

    Raises:
        VebiError: no such data set or network, or a method that fails or has a known one's name.
    """
    is_own = model is not None and ":" in model
    if weights is not None and not is_own:
        raise VebiError(
            "--weights are of a network of yours: name it with --model file.py:function."
        )
    if model is not None and is_own:
        interventions = (
            reference.find(dataset, reference.INTERVENTIONS)
            if run_folder is None
            else run_folder / "data" / dataset / "interventions.h5"
        )
        return compare([open_own(interventions, model, weights)], methods)
    if run_folder is not None:
        return compare(open_run(run_folder, dataset, model, factories), methods)
    known = reference.read_scores(dataset, model)
    _check_names(methods, known["method"].unique())
    return compare(reference.open_networks(dataset, model), methods, known)


def compare(
    benches: Sequence[Bench], methods: Sequence[Method], known: pd.DataFrame | None = None
) -> Comparison:
    """Score methods on every network.

    Args:
        benches: networks with the same images.
        methods: the user's.
        known: scores of known methods and controls on these; None: they are made here, too.

    Raises:
        VebiError: a method that fails, or has a known one's name.
    """
    _check_names(methods, benches[0].known if known is None else known["method"].unique())
    found = [] if known is None else [known]
    seconds: dict[tuple[str, str], list[float]] = {}
    with further_methods(methods):
        for bench in benches:
            for one in methods:
                # What a first call alone does, such as imports, is not the method's time.
                bench.first(1).explain(one.name)
            entries = [*_yours(bench, methods), *([] if known is not None else _others(bench))]
            for name, kind, make in entries:
                started = time.perf_counter()
                maps = make()
                if kind == YOURS:
                    took = (time.perf_counter() - started) / len(maps)
                    seconds.setdefault((bench.name, name), []).append(took)
                scores = score(bench, maps, _alike(bench, name, kind, maps))
                found.append(
                    scores.assign(model=bench.name, seed=bench.seed, method=name, kind=kind)
                )
    mean = {key: float(np.mean(values)) for key, values in seconds.items()}
    return Comparison(pd.concat(found, ignore_index=True), mean)


def _check_names(methods: Sequence[Method], known: Iterable[str]) -> None:
    """Raise VebiError for a method of the user's that has a known one's name."""
    if taken := {one.name for one in methods}.intersection(known):
        name = min(taken)
        raise VebiError(
            f"'{name}' is in the table already, as a known method. To see yours alongside it, give it "
            f"another name: --method 'mine: {name}'."
        )


Entry = tuple[str, str, Callable[[], Maps]]


def _yours(bench: Bench, methods: Sequence[Method]) -> Iterator[Entry]:
    for one in methods:
        yield one.name, YOURS, partial(bench.explain, one.name)


def _others(bench: Bench) -> Iterator[Entry]:
    for name, make in bench.known.items():
        yield name, KNOWN, make
    for kind, made in ((NEGATIVE, controls.NEGATIVE), (POSITIVE, controls.POSITIVE)):
        for name, draw in made.items():
            yield name, kind, partial(draw, bench)


def _alike(bench: Bench, name: str, kind: str, maps: Maps) -> NDArray[np.float64]:
    """Rank correlation (n) of a method's maps with those of the network that has learnt nothing.

    What does not look at the network is 1. Methods that explain selected features are left out (NaN), as
    these have to be selected again: study `sanity` does that.
    """
    if kind in (YOURS, KNOWN):
        if get_method(name).explains == "features":
            return np.full(len(maps), np.nan)
        return rank_correlation(maps, bench.explain(name, unlearnt=True))
    return np.full(len(maps), np.nan if name == "oracle" else 1.0)
