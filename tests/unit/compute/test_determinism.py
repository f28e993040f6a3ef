import pytest
import torch

from vebi.compute.determinism import derived_seed
from vebi.compute.devices import choose_device, device_of_networks
from vebi.io.errors import VebiError


def test_auto_takes_the_gpu_if_there_is_one():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_device("auto").type == expected
    assert choose_device("cpu").type == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu_is_an_error_with_the_way_out():
    with pytest.raises(VebiError, match=r"no GPU.*'auto' or 'cpu'"):
        choose_device("cuda")


def test_the_manifest_s_device_is_not_that_of_the_machine_which_writes_it():
    assert device_of_networks("cuda") == "cuda"
    assert device_of_networks("cpu") == "cpu"
    assert device_of_networks("auto", True) == "cuda or cpu"
    assert device_of_networks("auto") == choose_device("auto").type


def test_derived_seeds_are_stable_and_differ():
    seeds = {derived_seed(a, b) for a in range(20) for b in range(20)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**63 for seed in seeds)
    # These must never change, or every trained network does.
    assert derived_seed(0, 0) == 7896617691693857887
    assert derived_seed(3, 1) == 5712964121383671236
