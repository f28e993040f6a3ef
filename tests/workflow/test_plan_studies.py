"""What the configurations of the two larger studies plan."""

import os
import subprocess
import sys


def test_robustness_studies_three_networks_with_five_seeds(checkout):
    jobs = checkout.plan("--configfile", "config/robustness.yaml")
    # 2 flower sets x 3 networks x 5 seeds.
    assert jobs["train"] == jobs["study_robustness"] == 30
    assert jobs["tabulate_robustness"] == jobs["draw_robustness"] == 1
    assert "count_features" not in jobs


def test_mnist_counts_features_and_needs_no_masks(checkout):
    jobs = checkout.plan("--configfile", "config/mnist.yaml")
    assert jobs["train"] == jobs["ablate"] == jobs["count_features"] == 10
    assert "measure_iou" not in jobs
    assert "study_robustness" not in jobs


def digests(root, *entries):
    """The code digests as the rules have them, of a copy of the package's own: scripts or functions."""
    code = "from vebi.run.code_digest import code_digest; from pathlib import Path; import sys; "
    code += "print([code_digest(e if ':' in e else Path(e)) for e in sys.argv[1:]])"
    scripts = root / "workflow/scripts"
    paths = [entry if ":" in entry else str(scripts / f"{entry}.py") for entry in entries]
    done = subprocess.run(
        [sys.executable, "-c", code, *paths],
        env={**os.environ, "PYTHONPATH": str(root / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


MAIN_LINE = (
    *("train", "describe", "select", "ablate", "explain", "measure_iou"),
    "vebi.studies.iou.tables:tabulate",
)


def test_editing_the_study_reruns_the_study_alone(checkout):
    before = digests(checkout.folder, *MAIN_LINE), digests(checkout.folder, "study_robustness")
    checkout.edit(
        "workflow/vebi/studies/robustness/measure.py",
        "round(1e6 * setting.mu), repeat)",
        "round(1e6 * setting.mu))",
    )
    after = digests(checkout.folder, *MAIN_LINE), digests(checkout.folder, "study_robustness")
    assert before[0] == after[0]
    assert before[1] != after[1]
