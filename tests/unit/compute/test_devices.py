from pathlib import Path

import pytest
import yaml

from vebi.compute.devices import count_gpus_to_ask_for
from vebi.config import parse_config
from vebi.io.errors import VebiError


def test_the_configuration_decides_and_auto_looks_at_the_machine():
    assert count_gpus_to_ask_for("cpu") == 0
    assert count_gpus_to_ask_for("cuda") == 1
    assert count_gpus_to_ask_for("auto") == int(bool(list(Path("/dev").glob("nvidia[0-9]*"))))


@pytest.mark.parametrize("device", ["cpu", "cuda", "auto"])
def test_who_says_whether_to_ask_is_obeyed(device):
    assert count_gpus_to_ask_for(device, True) == 1
    assert count_gpus_to_ask_for(device, False) == 0


@pytest.mark.parametrize(
    ("change", "apart"),
    [
        ({}, False),
        ({"device": "cpu"}, False),
        ({"device": "cuda"}, True),
        ({"device": "cuda", "ask_for_gpu": False}, True),
        ({"ask_for_gpu": True}, True),
        ({"selection": {"parts": 3}}, True),
    ],
)
def test_the_files_of_a_run_do_not_depend_on_the_machine(root, monkeypatch, change, apart):
    config = yaml.safe_load((root / "config/config.yaml").read_text())
    selection = config["selection"] | change.get("selection", {})
    for found in ([], [Path("/dev/nvidia0")]):
        monkeypatch.setattr(Path, "glob", lambda *_, found=found: iter(found))
        assert count_gpus_to_ask_for("auto") == len(found)
        parsed = parse_config({**config, **change, "selection": selection})
        assert parsed.sums_descriptors_apart == apart


def test_to_ask_for_a_gpu_and_compute_on_the_cpu_is_a_contradiction(root):
    config = yaml.safe_load((root / "config/config.yaml").read_text())
    assert parse_config({**config, "ask_for_gpu": True}).ask_for_gpu
    with pytest.raises(VebiError, match=r"ask_for_gpu: true, but device is 'cpu'"):
        parse_config({**config, "ask_for_gpu": True, "device": "cpu"})
