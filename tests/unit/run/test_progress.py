"""Progress of running jobs as people see it: drawn into logs, read from them, shown with what is left."""

import io
import logging
import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from rich.console import Console
from snakemake_interface_logger_plugins.common import LogEvent
from tqdm import tqdm

from snakemake_logger_plugin_vebi import LogHandler, read_bar
from vebi.run.job_context import VARIABLE, JobContext
from vebi.run.manifest import build_manifest, write_manifest
from vebi.run.summary import summarise


@pytest.mark.parametrize("title", ["train an8flower_strided", "double-12c 0-150 (CPU)", None])
@pytest.mark.parametrize("unit", ["epoch", "image"])
def test_the_last_bar_of_a_log_is_read(tmp_path, title, unit):
    path = tmp_path / "job.log"
    with path.open("w") as log:
        log.write("INFO network from nowhere 3/4 [x]\n")
        bar = tqdm(total=30, desc=title, unit=unit, file=log, mininterval=0)
        for _ in range(12):
            time.sleep(0.002)
            bar.update()
    bar_read = read_bar(path)
    assert bar_read is not None
    done, total, left = bar_read
    assert (done, total) == (12, 30)
    assert re.fullmatch(r"\d\d:\d\d", left)


def test_logs_without_a_bar_have_none(tmp_path):
    assert read_bar(tmp_path / "absent.log") is None
    (tmp_path / "a.log").write_text("INFO 12/30 images\n")
    assert read_bar(tmp_path / "a.log") is None
    (tmp_path / "b.log").write_bytes(bytes(range(256)) * 100)
    assert read_bar(tmp_path / "b.log") is None


SCRIPT = """
import sys
from types import SimpleNamespace as Box
from tqdm import tqdm
from vebi.run.job import job

box = Box(rule="train", log=[sys.argv[1]], params=Box(compute_threads=1), input=[], output=[])
with job(box):
    for _ in tqdm(range(5), "epochs", unit="epoch", disable=None):
        pass
    print("done")
"""


@pytest.mark.parametrize("watched", [True, False])
def test_a_job_draws_its_bar_into_its_log_where_somebody_watches(tmp_path, watched, monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    JobContext(draws_bars=watched).publish()
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "job.log")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""
    assert "done\n" in (tmp_path / "job.log").read_text()
    assert (read_bar(tmp_path / "job.log") == (5, 5, "00:00")) == watched


def make_handler(monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    settings = SimpleNamespace(
        dryrun=False, printshellcmds=False, show_failed_logs=False, verbose=False, stdout=False
    )
    handler = LogHandler.__new__(LogHandler)
    handler.common_settings = settings
    handler.settings = None
    handler.__post_init__()
    return handler


def emit(handler, event, **fields):
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, "", None, None)
    record.event = event
    for name, value in fields.items():
        setattr(record, name, value)
    handler.emit(record)


def test_a_running_job_has_a_bar_with_the_remaining_time_until_it_ends(tmp_path, monkeypatch):
    handler = make_handler(monkeypatch)
    log = tmp_path / "train.log"
    log.write_text("\rtrain net:  40%|####      | 12/30 [01:10<01:45,  5.9s/epoch]")
    try:
        emit(
            handler,
            LogEvent.JOB_INFO,
            jobid=7,
            rule_name="train",
            threads=1,
            log=[str(log)],
            wildcards={"dataset": "digits", "seed": "0"},
        )
        handler.draw_running()
        [task] = [task for task in handler.progress.tasks if "digits" in task.description]
        assert (task.completed, task.total) == (12, 30)
        drawn = io.StringIO()
        console = Console(file=drawn, width=150)
        console.print(handler.progress.get_renderable())
        line = next(x for x in drawn.getvalue().splitlines() if "digits" in x)
        assert "train digits 0" in line
        assert "12 of 30 steps" in line
        assert re.search(r"0:00:0\d elapsed", line)
        assert "01:45 left" in line
        emit(handler, LogEvent.JOB_FINISHED, job_id=7)
        assert not [task for task in handler.progress.tasks if "digits" in task.description]
    finally:
        handler.close()


def test_finished_rules_fold_away_and_numbers_say_what_they_count(monkeypatch):
    handler = make_handler(monkeypatch)
    started = {"threads": 1, "log": [], "wildcards": {}}
    try:
        emit(
            handler,
            LogEvent.RUN_INFO,
            per_rule_job_counts={"train": 2, "describe_all": 1},
            total_job_count=3,
            stats={"train": 2, "describe_all": 1, "total": 3},
        )
        emit(handler, LogEvent.JOB_INFO, jobid=1, rule_name="train", **started)
        emit(handler, LogEvent.JOB_INFO, jobid=2, rule_name="describe_all", **started)

        def lines():
            drawn = io.StringIO()
            Console(file=drawn, width=150).print(handler.progress.get_renderable())
            return [line.strip() for line in drawn.getvalue().splitlines() if line.strip()]

        assert [
            match[0] for line in lines() if (match := re.search(r"\d of \d jobs?.*running$", line))
        ] == [
            *("0 of 2 jobs, 1 running", "0 of 1 job, 1 running"),
        ]
        # The whole run and the two jobs.
        assert len([line for line in lines() if "elapsed" in line]) == 3
        assert any("0 of 3 jobs, 2 running" in line for line in lines())
        emit(handler, LogEvent.JOB_FINISHED, job_id=2)
        assert not [line for line in lines() if "describe all" in line]
        assert any("1 of 3 jobs, 1 running" in line for line in lines())
    finally:
        handler.close()


def test_a_job_that_fails_before_it_has_a_log_is_named_without_a_traceback(
    tmp_path, monkeypatch, capsys
):
    handler = make_handler(monkeypatch)
    log = [str(tmp_path / "absent.log")]
    try:
        emit(
            handler, LogEvent.JOB_INFO, jobid=7, rule_name="train", threads=1, log=log, wildcards={}
        )
        emit(handler, LogEvent.JOB_ERROR, jobid=7, log=log)
    finally:
        handler.close()
    said = capsys.readouterr().err
    assert "Failed train" in said
    assert "Traceback" not in said


SLOW = """
rule all:
    input: "a.txt"
rule slow:
    output: "a.txt"
    log: "a.log"
    shell: "touch begun; sleep 300; touch {output}"
"""


def test_ctrl_c_ends_in_two_lines(tmp_path):
    (tmp_path / "Snakefile").write_text(SLOW)
    command = [sys.executable, "-m", "snakemake", "-c1", "--logger", "vebi"]
    running = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests in the background of a shell begin with a SIGINT that is ignored, and hand that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        end = time.monotonic() + 120
        while not (tmp_path / "begun").exists():
            assert time.monotonic() < end
            assert running.poll() is None, running.communicate()
            time.sleep(0.05)
        # As a terminal does it: to all processes in front.
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=120)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode != 0
    assert "Traceback" not in said
    assert said.rstrip().splitlines()[-2:] == [
        "Stopped after 0 of 2 jobs; what is finished is kept.",
        "Go on with: snakemake -c1 --logger vebi",
    ]
    assert "Error" not in said


def test_snakemake_finds_the_logger():
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--help"], capture_output=True, text=True, check=True
    )
    assert re.search(r"--logger \{[^}]*\bvebi\b|--logger[^-]*\bvebi\b", done.stdout)


def test_the_summary_says_where_to_look(tmp_path):
    run = tmp_path / "results" / "mine"
    (run / "tables").mkdir(parents=True)
    assert summarise(run) == ""
    rows = ["a,confirmed", "b,confirmed", "c,contradicted"]
    (run / "tables/claims.csv").write_text("\n".join(["claim_id,verdict", *rows, ""]))
    (run / "report.html").write_text("")
    manifest = build_manifest(
        run, config={"compute_threads": 1}, package_digest="0", seeds=[0], device="cpu"
    )
    write_manifest(run / "manifest.json", manifest)
    text = summarise(run)
    assert "report.html (open it in a browser)" in text
    assert "2 confirmed, 1 contradicted" in text
    assert f"`vebi verify {run}`" in text
    assert "compare" not in text
    (tmp_path / "results/reference/mine").mkdir(parents=True)
    assert f"`vebi diff {run} {tmp_path / 'results/reference/mine'}`" in summarise(run)
