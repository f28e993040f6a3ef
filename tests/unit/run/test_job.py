import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from pydantic import ValidationError
from snakemake.iocontainers import Params, Wildcards

from vebi.compute import determinism
from vebi.config.occlusion import OcclusionConfig
from vebi.config.sanity import RandomisationConfig, SanityConfig
from vebi.io.errors import VebiError
from vebi.run.job import job
from vebi.run.job_context import VARIABLE, JobContext, read_context
from vebi.statistics import draw_key


def fake_rule(tmp_path, threads=1):
    return SimpleNamespace(
        params=SimpleNamespace(compute_threads=threads),
        log=[tmp_path / "a.log"],
        rule="rule_name",
        input=[],
        output=[],
    )


def test_output_goes_to_the_log(tmp_path, capsys):
    with job(fake_rule(tmp_path)):
        print("to standard output")
        print("to standard error", file=sys.stderr)
    assert (tmp_path / "a.log").read_text() == "to standard output\nto standard error\n"
    assert capsys.readouterr() == ("", "")


def test_a_problem_is_one_message_on_the_terminal_and_in_the_log(tmp_path, capsys):
    with pytest.raises(SystemExit) as raised, job(fake_rule(tmp_path)):
        raise VebiError("the file is broken. Delete it.")
    assert raised.value.code == 1
    assert capsys.readouterr().err == "\nerror in rule rule_name: the file is broken. Delete it.\n"
    assert "the file is broken" in (tmp_path / "a.log").read_text()


def test_a_defect_keeps_its_traceback(tmp_path):
    with pytest.raises(ZeroDivisionError), job(fake_rule(tmp_path)):
        1 / 0  # noqa: B018


def task_of(tmp_path, **params):
    """The task of a rule with these parameters."""
    rule = SimpleNamespace(
        rule="occlude",
        input=["a.h5"],
        output=["b.h5"],
        log=[tmp_path / "a.log"],
        params=Params(fromdict={"compute_threads": 1, **params}),
        wildcards=Wildcards(fromdict={"dataset": "d", "model": "m", "seed": "3"}),
    )
    with job(rule) as task:
        return task


def test_a_task_says_where_and_from_which_seeds_it_computes(tmp_path):
    task = task_of(tmp_path, root_seed=7, device="cpu")
    assert (task.seed, task.seed_key) == (3, draw_key("network d, m", 7, 3))
    assert task.device.type == "cpu"
    assert (task.input, task.output) == (["a.h5"], ["b.h5"])


def test_a_section_of_the_configuration_comes_back_as_it_was(tmp_path):
    section = OcclusionConfig(images=5, box=0.25)
    assert task_of(tmp_path, settings=section.model_dump()).settings(OcclusionConfig) == section


def test_a_part_of_a_section_is_all_of_that_part(tmp_path):
    section = SanityConfig(images=5, layers=None, random_label_epochs=3)
    values = section.model_dump(include=set(RandomisationConfig.model_fields))
    task = task_of(tmp_path, part=values)
    assert task.settings(RandomisationConfig, "part") == RandomisationConfig(images=5, layers=None)
    with pytest.raises(TypeError, match=r"rule occlude: params\.part lacks random_label_epochs"):
        task.settings(SanityConfig, "part")


def test_a_key_that_a_rule_leaves_out_is_no_default(tmp_path):
    values = OcclusionConfig().model_dump(exclude={"box"})
    with pytest.raises(TypeError, match=r"lacks box of OcclusionConfig.*\.model_fields"):
        task_of(tmp_path, settings=values).settings(OcclusionConfig)
    values = {**OcclusionConfig().model_dump(), "boxes": 1}
    with pytest.raises(ValidationError, match="boxes"):
        task_of(tmp_path, settings=values).settings(OcclusionConfig)


def test_what_the_workflow_tells_its_jobs_arrives(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    assert read_context() == JobContext()
    context = JobContext(("results/a",), "", 4, False, ("nets.py:make", "my.nets:other"))
    context.publish()
    assert read_context() == context
    assert task_of(tmp_path).factories == ("nets.py:make", "my.nets:other")


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_pinned_in_torch_and_blas(threads):
    code = (
        "import torch, numpy, threadpoolctl;"
        "from vebi.compute.determinism import pin_threads;"
        f"pin_threads({threads});"
        "counts = {i['num_threads'] for i in threadpoolctl.threadpool_info() if i['user_api'] == 'blas'};"
        f"assert torch.get_num_threads() == {threads}, torch.get_num_threads();"
        f"assert counts == {{{threads}}}, counts"
    )
    environment = {"PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.parametrize("threads", [0, 17 * os.cpu_count(), 10_000_000])
def test_more_threads_than_the_machine_can_run_are_refused_before_one_starts(threads, monkeypatch):
    def never(_):
        raise AssertionError("started")

    monkeypatch.setattr(determinism, "threadpool_limits", never)
    with pytest.raises(VebiError, match=f"compute_threads is {threads}"):
        determinism.pin_threads(threads)


def test_jobs_that_only_draw_do_not_import_torch():
    code = (
        "import sys, vebi.run.job, vebi.studies.ablation.figures, vebi.figures.images,"
        "vebi.studies.iou.iou_file, vebi.studies.iou.tables,"
        "vebi.selection.select; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
