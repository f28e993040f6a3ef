"""Choosing a GPU, as far as it goes without one: whose turn it is, and that no two jobs take the same."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vebi.compute.devices import by_memory_in_use, full_memory_explained, parse_memory_in_use
from vebi.io.errors import VebiError

TAKE = """
import sys
from pathlib import Path
from vebi.compute.devices import take_first_free
print(take_first_free(sys.argv[2:], Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def start(folder: Path, *names: str) -> tuple[subprocess.Popen, str]:
    """A process that takes a GPU and keeps it until its input ends; and which it took."""
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE, str(folder), *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, process.stdout.readline().strip()


def test_no_two_processes_take_the_same_and_a_killed_one_gives_it_back(tmp_path: Path) -> None:
    first, a = start(tmp_path / "locks", "x", "y")
    second, b = start(tmp_path / "locks", "x", "y")
    third, c = start(tmp_path / "locks", "x", "y")
    try:
        assert (a, b, c) == ("x", "y", "None")
        first.kill()
        first.wait()
        fourth, d = start(tmp_path / "locks", "x", "y")
        fourth.communicate("")
        assert d == "x"
    finally:
        for process in (first, second, third):
            process.kill()
            process.communicate()


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10**5)))
def test_the_emptiest_first_and_the_unknown_last(used: dict[str, int]) -> None:
    order = by_memory_in_use("abcdef", used)
    assert sorted(order) == list("abcdef")
    known = [name for name in order if name in used]
    assert order[: len(known)] == known
    assert [used[name] for name in known] == sorted(used[name] for name in known)


def test_equal_gpus_stay_in_their_order() -> None:
    assert by_memory_in_use(["b", "a"], {"a": 3, "b": 3}) == ["b", "a"]


def test_what_nvidia_smi_answers() -> None:
    # The form that NVIDIA documents for --format=csv,noheader,nounits; MIG devices give no number.
    answer = (
        "GPU-8f6f2f4d-0d3c-1a0e-5a3a-0f0c4d6b7e11, 1234\n"
        "GPU-00000000-0000-0000-0000-000000000000, 0\n"
        "GPU-11111111-0000-0000-0000-000000000000, [N/A]\n"
        "Failed to initialize NVML: Driver/library version mismatch\n"
    )
    assert parse_memory_in_use(answer) == {
        "8f6f2f4d-0d3c-1a0e-5a3a-0f0c4d6b7e11": 1234,
        "00000000-0000-0000-0000-000000000000": 0,
    }


def test_a_full_gpu_is_explained_and_other_errors_are_left_alone() -> None:
    with (
        pytest.raises(VebiError, match=r"batch_size.*device: cpu.*Tried to allocate 2 GiB"),
        full_memory_explained(),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee the docs.")
    with pytest.raises(RuntimeError, match="shapes differ"), full_memory_explained():
        raise RuntimeError("shapes differ")
