"""What the workflow tells its jobs: one variable of the environment, written and read here only."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

VARIABLE = "VEBI_JOB"


@dataclass(frozen=True)
class JobContext:
    """What a job must know besides its own parameters.

    Attributes:
        runs: folders of runs, whose files get checksums: more than one where a project uses the workflow
            as several modules; none outside a run.
        owner: the process that the job belongs to, as `vebi.compute.processes.identify` writes it.
        cores: what `--cores` was; 0 where it is not known.
        draws_bars: somebody reads progress bars from the job's log file.
        factories: the user's code that the configuration names; a model file that names any of it
            may run it.
        methods: the user's heatmap methods, each with `name`, `function` and `negative`.
    """

    runs: tuple[str, ...] = ()
    owner: str = ""
    cores: int = 0
    draws_bars: bool = False
    factories: tuple[str, ...] = ()
    methods: tuple[dict[str, Any], ...] = ()

    def publish(self) -> None:
        """Set the variable, for this process and those that it starts."""
        os.environ[VARIABLE] = json.dumps(asdict(self))


def read_context() -> JobContext:
    """What the variable says; nothing where it is not set."""
    values = json.loads(os.environ.get(VARIABLE) or "{}")
    # JSON has lists only.
    lists = {name: tuple(values.get(name, ())) for name in ("runs", "factories", "methods")}
    return JobContext(**{**values, **lists})
