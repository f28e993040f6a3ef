import subprocess
import sys
from types import SimpleNamespace

import pytest

from vebi.io.errors import VebiError
from vebi.run.job import job


def fake_rule(tmp_path, threads=1):
    return SimpleNamespace(
        params=SimpleNamespace(compute_threads=threads), log=[tmp_path / "a.log"], rule="rule_name"
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


def test_jobs_that_only_draw_do_not_import_torch():
    code = (
        "import sys, vebi.run.job, vebi.studies.ablation.figures, vebi.figures.images,"
        "vebi.studies.iou.iou_file, vebi.studies.iou.tables,"
        "vebi.selection.select; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
