"""Networks of a user's own in the workflow: what is planned, and what a change of theirs reruns."""

import pytest
import yaml

pytestmark = pytest.mark.slow

SOURCE = """
from torch import nn

def make(width=4):
    return nn.Sequential(nn.Conv2d(1, width, 5, stride=3), nn.ReLU(), nn.AdaptiveAvgPool2d(3),
                         nn.Flatten(), nn.Linear(9 * width, 10))
"""
MODEL = "results/own/models/digits/{}/seed0/model.pt"
DESCRIPTORS = "results/own/descriptors/digits/{}/seed0/descriptors.h5"


def configure(checkout, **models):
    studies = ("mcgill", "resampling", "robustness", "feature_counts", "occlusion", "sanity")
    extra = {
        "run": "own",
        "seeds": [0],
        "models": models,
        "experiments": [{"dataset": "digits", "model": m, "heatmap_mu": 10} for m in models],
        "selection": {"mu": [10]},
        **dict.fromkeys(studies),
    }
    (checkout.folder / "own.yaml").write_text(yaml.safe_dump(extra))
    return ("--configfile", "own.yaml")


def test_code_and_weights_are_inputs_and_missing_ones_end_their_job(checkout):
    (checkout.folder / "my_nets.py").write_text(SOURCE)
    chosen = configure(
        checkout,
        made={"factory": "my_nets:make", "epochs": 0},
        loaded={"factory": "my_nets.py:make", "weights": "w.pth", "epochs": 0},
    )
    made, loaded = MODEL.format("made"), MODEL.format("loaded")
    # The job that loads the model file may run the code that it names, since the configuration does.
    checkout.snakemake(DESCRIPTORS.format("made"), "--cores", "1", *chosen)
    # Planned without the weights; the job says what is missing.
    done = checkout.snakemake(loaded, "--cores", "1", *chosen, check=False)
    assert done.returncode != 0
    assert "no file of weights 'w.pth'" in done.stdout + done.stderr
    assert "Nothing to be done" in checkout.snakemake(made, "-n", *chosen).stdout
    path = checkout.folder / "my_nets.py"
    path.write_text(path.read_text() + "\nOTHER = 1\n")
    assert "Updated input files: my_nets.py" in checkout.snakemake(made, "-n", *chosen).stdout


def test_a_function_that_is_not_there_is_named(checkout):
    (checkout.folder / "my_nets.py").write_text(SOURCE)
    chosen = configure(checkout, made={"factory": "my_nets:made", "epochs": 0})
    done = checkout.snakemake(MODEL.format("made"), "--cores", "1", *chosen, check=False)
    assert done.returncode != 0
    assert "my_nets.py has no 'made'; it has make" in done.stdout + done.stderr
