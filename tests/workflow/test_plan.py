"""What Snakemake plans to do, without doing it."""

import re
from pathlib import Path

import pytest
import yaml

CONFIGS = sorted(path.stem for path in (Path(__file__).parents[2] / "config").glob("*.yaml"))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_configuration_plans(checkout, name):
    jobs = checkout.plan("--configfile", f"config/{name}.yaml")
    assert jobs["all"] == 1
    # The first look has one network.
    assert jobs["train"] >= 3 or (name == "quick" and jobs["train"] == 1)


def test_the_first_look_makes_maps_for_the_report_to_open_with(checkout):
    assert checkout.plan("--configfile", "config/quick.yaml")["explain"] == 1


def test_the_default_run_has_the_jobs_that_its_numbers_say(checkout):
    # 3 experiments x 3 seeds; 1,200 and 1,800 images in chunks of 150; 2 scopes.
    jobs = checkout.plan()
    assert jobs["render_chunk"] == 1200 // 150 + 1800 // 150
    assert jobs["assemble_flowers"] == 2
    assert jobs["load_dataset"] == 1
    # The McGill study trains one more network from two seeds.
    assert jobs["train"] == 9 + 2
    assert jobs["describe"] == jobs["ablate"] == 9
    assert jobs["select"] == 18
    # Digits have no masks to compare heatmaps with, but panels are drawn and images covered.
    assert jobs["explain"] == jobs["occlude"] == jobs["check_sanity"] == 9
    assert jobs["train_random_labels"] == 3
    assert jobs["measure_iou"] == 6
    assert jobs["draw_panels"] == 3
    assert jobs["draw_examples"] == 2
    assert "draw_distractors" not in jobs
    assert "study_robustness" not in jobs


def test_the_set_with_distractors_is_a_run_of_its_own(checkout):
    jobs = checkout.plan("--configfile", "config/distractors.yaml")
    assert jobs["render_chunk"] == 1800 // 150
    assert jobs["train"] == jobs["explain"] == 3
    assert jobs["draw_distractors"] == 1
    assert "resample" not in jobs


def test_mnist_is_one_key_away(checkout):
    line = "  - {dataset: digits, model: matconvnet-digits, heatmap_mu: 10}\n"
    more = "  - {dataset: mnist, model: matconvnet, heatmap_mu: 10}\n"
    checkout.edit("config/config.yaml", line, line + more)
    jobs = checkout.plan()
    assert jobs["train"] == 11 + 3
    assert jobs["load_dataset"] == 2


def test_a_run_without_masks_leaves_out_what_needs_them(checkout):
    extra = {"experiments": [{"dataset": "digits", "model": "matconvnet-digits", "heatmap_mu": 10}]}
    (checkout.folder / "extra.yaml").write_text(yaml.safe_dump(extra))
    jobs = checkout.plan("--configfile", "extra.yaml")
    assert "measure_iou" not in jobs
    assert "render_chunk" not in jobs


def test_a_user_s_method_has_a_job_of_its_own_and_its_code_is_an_input(checkout):
    methods = ["vebi", {"mine": "mine.py:explain"}, {"saliency": "captum:Saliency"}]
    (checkout.folder / "extra.yaml").write_text(yaml.safe_dump({"heatmaps": {"methods": methods}}))
    (checkout.folder / "mine.py").write_text("def explain(model, images, targets): ...")
    jobs = checkout.plan("--configfile", "extra.yaml")
    assert jobs["explain_by"] == 2 * jobs["explain"] == 18
    mine = "results/default/heatmaps/digits/matconvnet-digits/seed0/mine.h5"
    done = checkout.snakemake("-n", "--cores", "1", "--configfile", "extra.yaml", "-p", mine)
    plan = done.stdout[done.stdout.index("rule explain_by") :].split("\n\n")[0]
    [inputs] = [line for line in plan.splitlines() if line.strip().startswith("input:")]
    assert inputs.endswith("path.h5, mine.py")
    assert "explain" not in jobs or "rule explain:" not in done.stdout


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("sede=1", "did you mean 'seed'"),
        ("device=tpu", "device: 'tpu'"),
        ("seeds=[]", "seeds"),
    ],
)
def test_a_bad_configuration_ends_before_any_job_with_one_message(checkout, override, says):
    done = checkout.snakemake("--cores", "2", "--config", override, check=False)
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert says in output
    assert "Traceback" not in output
    assert not (checkout.folder / "results").exists()


def test_a_dot_in_a_name_is_a_dot(checkout):
    digits = {"kind": "digits", "size": 28}
    experiment = {"model": "matconvnet-digits", "heatmap_mu": 10}
    extra = {
        "datasets": {"a.b": digits, "axb": {**digits, "size": 32}},
        "experiments": [{**experiment, "dataset": "a.b"}],
    }
    (checkout.folder / "extra.yaml").write_text(yaml.safe_dump(extra))
    target = "results/default/models/a.b/matconvnet-digits/seed0/model.pt"
    assert checkout.plan(target, "--configfile", "extra.yaml")["train"] == 1
    # A name that no data set has, though a dot would match it, is not a data set's.
    wrong = target.replace("a.b", "a-b")
    done = checkout.snakemake("-n", wrong, "--configfile", "extra.yaml", check=False)
    assert "MissingRuleException" in done.stdout + done.stderr


def test_a_key_that_stands_twice_ends_with_its_line(checkout):
    (checkout.folder / "twice.yaml").write_text("seeds: [0]\nseed: 1\nseeds: [1]\n")
    done = checkout.snakemake("-n", "--configfile", "twice.yaml", check=False)
    assert done.returncode != 0
    assert "twice.yaml, line 3: 'seeds' is already set in line 1" in done.stdout + done.stderr


def test_the_run_on_slurm_has_every_rule_of_its_profile(checkout, root):
    """Else only `make test-slurm` would tell of a rule that was added without a job there."""
    config = root / "tests/workflow/slurm/config.yaml"
    profile = yaml.safe_load((root / "profiles/slurm/config.yaml").read_text())
    planned = checkout.plan("--configfile", str(config))
    # This table is of digits, and an experiment on them would only add jobs of rules that are there.
    of_digits = {"tabulate_explanations"}
    assert set(planned) - {"all"} == set(profile["set-resources"]) - of_digits
    assert profile["groups"].keys() >= of_digits


def test_nothing_outside_the_last_group_on_slurm_waits_for_a_job_in_it(checkout, root):
    """Snakemake refuses a group that depends on itself through other jobs, when it is to run."""
    config = root / "tests/workflow/slurm/config.yaml"
    groups = yaml.safe_load((root / "profiles/slurm/config.yaml").read_text())["groups"]
    graph = checkout.snakemake("--rulegraph", "--configfile", str(config)).stdout
    rules = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)"', graph, re.MULTILINE))
    edges = re.findall(r"^\s*(\d+) -> (\d+)$", graph, re.MULTILINE)
    assert len(edges) > 50
    led_back = {
        (rules[first], rules[then])
        for first, then in edges
        if groups.get(rules[first]) == "report" and rules[then] != "all"
        if groups.get(rules[then]) != "report"
    }
    assert led_back == set()


def test_lint_is_clean(checkout):
    assert "Congratulations" in checkout.snakemake("--lint").stderr


def test_the_pass_over_the_descriptors_can_be_shared_by_jobs(checkout):
    checkout.edit("config/config.yaml", "  solver: path\n", "  solver: path\n  parts: 3\n")
    jobs = checkout.plan()
    assert jobs["sum_descriptors"] == 9 * 3
    assert jobs["select"] == 18
