"""The workflow on a real Slurm that meets accidents, against Slurm's own records and a local run."""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slurm

# Too little for Python in the first attempt, enough in the second.
STARVED, CANCELLED, ON_A_LOST_NODE = "load_dataset", "train", "score_artefacts"
STARVED_MB = {1: 150, 2: 2400}
# Enough for two small jobs of a group at a time.
GROUP_MB = 5000


@dataclass
class Record:
    """A job as Slurm remembers it."""

    number: int
    # The rule with its wildcards, and the rule alone; of a group its name.
    comment: str
    name: str
    partition: str
    state: str
    gpus: int
    cpus: int
    memory: str
    limit: str
    node: str
    start: datetime
    end: datetime


def read_records(cluster, groups: dict[str, str]) -> list[Record]:
    """All jobs in the order in which they were submitted; `groups` are those of rules, by name."""
    fields = (
        "JobIDRaw,Comment,Partition,State,AllocTRES,AllocCPUS,ReqMem,Timelimit,NodeList,Start,End"
    )
    answer = cluster.ask(
        "sacct", "-a", "-X", "-n", "-P", "-S", "now-1days", "-E", "now", "-o", fields
    )
    records = []
    for line in answer.splitlines():
        number, comment, partition, state, tres, cpus, memory, limit, node, *times = line.split("|")
        name = rule_of(comment)
        # A group's job is named after it and its rules; a rule alone may begin like a group.
        of_group = (of for rule, of in groups.items() if name.startswith(f"{of}_{rule}"))
        name = next(of_group, name)
        gpus = re.search(r"gres/gpu=(\d+)", tres)
        records.append(
            Record(
                *(int(number), comment, name, partition, state.split()[0]),
                *(int(gpus.group(1)) if gpus else 0, int(cpus), memory, limit, node),
                *map(datetime.fromisoformat, times),
            )
        )
    return sorted(records, key=lambda record: record.number)


def rule_of(comment: str) -> str:
    """The rule's name in the comment that a job is submitted with."""
    return comment.removeprefix("rule_").partition("_wildcards_")[0]


class Accidents(threading.Thread):
    """Waits for certain jobs to run; cancels one, and takes the node of another away."""

    def __init__(self, cluster) -> None:
        super().__init__(daemon=True)
        self._cluster = cluster
        self.over = threading.Event()
        self.lost_node = None

    def run(self) -> None:
        waiting = {CANCELLED: self._cancel, ON_A_LOST_NODE: self._take_node}
        while waiting and not self.over.is_set():
            listed = self._cluster.ask("squeue", "-h", "-t", "R", "-o", "%i|%N|%k", check=False)
            for line in listed.splitlines():
                number, node, comment = line.split("|")
                if rule_of(comment) in waiting:
                    waiting.pop(rule_of(comment))(number, node)
            time.sleep(0.5)

    def _cancel(self, number: str, node: str) -> None:
        self._cluster.ask("scancel", number)

    def _take_node(self, number: str, node: str) -> None:
        self.lost_node = node
        self._cluster.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")


def profile_of_tests(folder: Path) -> None:
    """Change what a user would change: the nodes here are small, and nobody minds being asked often."""
    path = folder / "profiles/slurm/config.yaml"
    profile = yaml.safe_load(path.read_text())
    profile["set-resources"][STARVED] = {
        **profile["set-resources"][STARVED],
        "mem_mb": f"{STARVED_MB[1]} if attempt == 1 else {STARVED_MB[2]}",
    }
    profile["resources"]["mem_mb"] = GROUP_MB
    profile["max-status-checks-per-second"] = 1
    profile["slurm-init-seconds-before-status-checks"] = 3
    profile["latency-wait"] = 10
    path.write_text(yaml.safe_dump(profile))


@dataclass
class Runs:
    local: Path
    submitted: Path
    records: list[Record]
    lost_node: str | None
    log: str


@pytest.fixture(scope="module")
def profile(root):
    return yaml.safe_load((root / "profiles/slurm/config.yaml").read_text())


@pytest.fixture(scope="module")
def gpu_rules(root):
    """Rules that ask for a GPU."""
    text = "".join(path.read_text() for path in (root / "workflow/rules").glob("*.smk"))
    rules = re.split(r"^rule (\w+):$", text, flags=re.MULTILINE)[1:]
    return {name for name, body in zip(rules[::2], rules[1::2], strict=True) if "gpu=GPUS" in body}


@pytest.fixture(scope="module")
def runs(cluster, make_checkout, profile):
    """The same configuration run here and, at the same time, on Slurm, where things go wrong."""
    config = Path(__file__).with_name("config.yaml").read_text()
    folders = {name: make_checkout(name).folder for name in ("local", "submitted")}
    for folder in folders.values():
        (folder / "tiny.yaml").write_text(config)
    profile_of_tests(folders["submitted"])
    options = {
        "local": ["--cores", "2"],
        "submitted": ["--workflow-profile", "profiles/slurm"],
    }
    accidents = Accidents(cluster)
    accidents.start()
    with contextlib.ExitStack() as stack:
        running = {}
        for name, more in options.items():
            command = [sys.executable, "-m", "snakemake", *more, "--configfile", "tiny.yaml"]
            log = stack.enter_context((folders[name] / "run.log").open("w"))
            running[name] = subprocess.Popen(
                command, cwd=folders[name], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
            stack.callback(running[name].kill)
        for name, process in running.items():
            try:
                process.wait(timeout=float(os.getenv("VEBI_SLURM_TIMEOUT", "1500")))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.returncode:
                text = (folders[name] / "run.log").read_text()[-20000:]
                pytest.fail(f"{name} run: exit code {process.returncode}\n{text}\n{cluster.logs()}")
    accidents.over.set()
    accidents.join()
    return Runs(
        folders["local"],
        folders["submitted"],
        read_records(cluster, profile["groups"]),
        accidents.lost_node,
        (folders["submitted"] / "run.log").read_text(),
    )


def digests(folder: Path, *kinds: str) -> dict[str, str]:
    """SHA-256 of the files of these kinds below a run's folder."""
    files = sorted(path for kind in kinds for path in folder.rglob(f"*.{kind}"))
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_results_are_the_local_runs(runs):
    """Tables, figures, arrays, networks: from two cores here, or from nodes on which jobs failed."""
    local, submitted = (
        digests(folder / "results/slurm", "csv", "png", "pdf", "h5", "pt")
        for folder in (runs.local, runs.submitted)
    )
    assert len([name for name in local if name.startswith("tables/")]) > 25
    assert len([name for name in local if name.startswith("figures/")]) > 50
    assert "data/an8flower-double-12c-distractors/dataset.h5" in local
    assert submitted == local


def test_every_rule_went_where_it_is_declared(runs, profile, gpu_rules):
    groups, declared = profile["groups"], profile["set-resources"]
    by_name = defaultdict(list)
    for record in runs.records:
        by_name[record.name].append(record)
    assert set(by_name) == set(declared) - set(groups) | set(groups.values())
    for name, records in by_name.items():
        if name in groups.values():
            assert {(r.partition, r.gpus) for r in records} == {("cpu", 0)}
            continue
        asked = declared[name]
        assert {r.partition for r in records} == {asked.get("slurm_partition", "cpu")}, name
        assert {r.gpus for r in records} == {int(name in gpu_rules)}, name
        assert {r.cpus for r in records} == {1}, name
        if name == STARVED:
            continue
        megabytes, minutes = (int(asked[key].split(" * ")[0]) for key in ("mem_mb", "runtime"))
        attempts = defaultdict(int)
        for record in records:
            attempts[record.comment] += 1
            attempt = attempts[record.comment]
            assert record.memory == f"{min(GROUP_MB, megabytes * attempt)}M", record
            hours, rest = divmod(minutes * attempt, 60)
            assert record.limit == f"{hours:02d}:{rest:02d}:00", record


def test_small_jobs_were_submitted_together(runs, profile):
    names = [record.name for record in runs.records]
    assert names.count("report") == 1
    assert names.count("render") == 1
    assert len(names) < len(profile["set-resources"])


def test_gpu_jobs_took_a_gpu_and_never_shared_it(runs, gpu_rules):
    jobs = defaultdict(list)
    for record in runs.records:
        if record.gpus:
            jobs[record.node].append(record)
    assert {record.name for records in jobs.values() for record in records} == gpu_rules
    assert set(jobs) == {"gpu1", "gpu2"}
    for records in jobs.values():
        records.sort(key=lambda record: record.start)
        for first, second in pairwise(records):
            assert first.end <= second.start, (first, second)


def test_a_job_that_ran_past_its_memory_was_given_more(runs):
    first, second = (record for record in runs.records if record.name == STARVED)
    assert first.state in ("OUT_OF_MEMORY", "FAILED")
    assert first.memory == f"{STARVED_MB[1]}M"
    assert (second.state, second.memory) == ("COMPLETED", f"{STARVED_MB[2]}M")


def test_a_cancelled_job_was_submitted_again(runs):
    jobs = [record for record in runs.records if record.name == CANCELLED]
    # The other training was not touched.
    assert sorted(job.state for job in jobs) == ["CANCELLED", "COMPLETED", "COMPLETED"]
    cancelled = next(job for job in jobs if job.state == "CANCELLED")
    assert [job.state for job in jobs if job.comment == cancelled.comment] == [
        "CANCELLED",
        "COMPLETED",
    ]


def test_a_job_of_a_lost_node_went_to_another(runs):
    first, second = (record for record in runs.records if record.name == ON_A_LOST_NODE)
    assert (first.state, first.node) == ("NODE_FAIL", runs.lost_node)
    assert second.state == "COMPLETED"
    assert second.node not in ("", runs.lost_node)


def test_logs_of_failed_jobs_are_kept(runs):
    folder = runs.submitted / "results/slurm-logs"
    kept = {path.parts[len(folder.parts)] for path in folder.rglob("*.log")}
    assert f"rule_{STARVED}" in kept
    # Those of good ones are removed; the rules' own logs stay.
    assert "rule_describe" not in kept
    assert list((runs.submitted / "results/slurm/logs").rglob("describe.log"))


def test_one_gpu_job_at_a_time_without_a_cluster(runs, gpu_rules):
    """profiles/default has the limit; times are Snakemake's own records."""
    spans = set()
    for path in (runs.local / ".snakemake/metadata").rglob("*"):
        record = json.loads(path.read_text()) if path.is_file() else {"rule": None}
        if record["rule"] in gpu_rules:
            spans.add((record["starttime"], record["endtime"], record["rule"]))
    # Of temporary files no record is kept.
    assert len({rule for _, _, rule in spans}) >= len(gpu_rules) - 1
    for (_, end, first), (start, _, second) in pairwise(sorted(spans)):
        assert first == second or end <= start + 0.1, (first, second)
