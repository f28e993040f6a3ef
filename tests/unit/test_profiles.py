"""What profiles/ say of the rules, against the rules."""

import re
from pathlib import Path

import pytest
import yaml

from vebi.generated import generated_files
from vebi.studies.registry import STUDIES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rules() -> dict[str, str]:
    """The text of every rule by its name; those that a loop makes of records stand for themselves."""
    text = "".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    parts = re.split(r"^rule (\w+):$", text, flags=re.MULTILINE)[1:]
    written = dict(zip(parts[::2], parts[1::2], strict=True))
    made = {}
    for study in STUDIES:
        if study.tabulate:
            made[f"tabulate_{study.name}"] = f"mem_mb={study.tabulate.memory_mb}"
        for name, figure in study.figures.items():
            if figure.draw:
                made[f"draw_{name}"] = f"mem_mb={figure.memory_mb}"
    assert not written.keys() & made.keys()
    return written | made


@pytest.fixture(scope="module")
def slurm() -> dict:
    return yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())


def test_slurm_profile_names_every_rule(rules, slurm):
    assert set(slurm["set-resources"]) == set(rules)


def test_rules_with_a_gpu_go_to_its_partition_and_no_others(rules, slurm):
    to_gpu = {name for name, asked in slurm["set-resources"].items() if "slurm_partition" in asked}
    assert to_gpu == {name for name, text in rules.items() if "gpu=GPUS" in text}
    assert to_gpu
    assert slurm["default-resources"]["slurm_partition"] == "cpu"


def test_memory_and_time_grow_with_each_attempt_and_exceed_the_rules_own(rules, slurm):
    for name, asked in slurm["set-resources"].items():
        memory, minutes = (
            re.fullmatch(r"(\d+) \* attempt", asked[key]) for key in ("mem_mb", "runtime")
        )
        assert memory, name
        assert minutes, name
        own = int(re.search(r"mem_mb=(\d+)", rules[name]).group(1))
        # Two more Snakemakes run inside each job.
        assert int(memory.group(1)) >= own + 500, name


def test_groups_are_of_small_jobs_without_a_gpu(rules, slurm):
    assert set(slurm["groups"]) <= set(rules)
    assert all("gpu=GPUS" not in rules[name] for name in slurm["groups"])
    assert set(slurm["groups"].values()) == set(slurm["group-components"])
    for group in set(slurm["groups"].values()):
        asked = [slurm["set-resources"][n] for n, g in slurm["groups"].items() if g == group]
        # A group asks for one partition.
        assert len({one.get("slurm_partition") for one in asked}) == 1


def test_threads_are_the_configurations(rules):
    for name, text in rules.items():
        if "compute_threads=CONFIG" in text:
            assert "threads: CONFIG.compute_threads" in text, name


def test_who_makes_a_network_depends_on_its_files(rules):
    """The user's code and weights: after an edit no job compares a new network with an old one."""
    scripts = ROOT / "workflow/scripts"
    making = [path.name for path in scripts.glob("*.py") if "training_of(" in path.read_text()]
    assert len(making) >= 3
    for script in making:
        (text,) = [text for text in rules.values() if f'"../scripts/{script}"' in text]
        assert "given=get_network_files" in text, script


def test_locally_one_job_has_the_gpu():
    default = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())
    assert default["resources"] == {"gpu": 1}


@pytest.mark.parametrize("path", generated_files(ROOT))
def test_files_that_are_made_from_records_are_as_these_make_them(path):
    assert (ROOT / path).read_text() == generated_files(ROOT)[path], "run python -m vebi.generated"
