import numpy as np
import pandas as pd
import pytest

from vebi.io.errors import VebiError
from vebi.io.tables import read_table, stack_runs, write_table
from vebi.report.places import TABLES


def training(**changes):
    frame = pd.DataFrame(
        {
            "test_accuracy": [0.5, 1 / 3],
            "dataset": ["d", "d"],
            "model": ["m", "m"],
            "seed": [1, 0],
            "epochs": [2, 2],
            "train_accuracy": [1.0, -1e-9],
            "test_accuracy_ci_low": [0.25, 0.25],
            "test_accuracy_ci_high": [0.75, 0.75],
            "n_test": [8, 8],
        }
    )
    return frame.assign(**changes)


def test_bytes_are_sorted_formatted_and_end_in_lf(tmp_path):
    write_table(tmp_path / "t.csv", training(), TABLES["training"])
    assert (tmp_path / "t.csv").read_bytes() == (
        b"dataset,model,seed,epochs,train_accuracy,test_accuracy,"
        b"test_accuracy_ci_low,test_accuracy_ci_high,n_test\n"
        b"d,m,0,2,0.000000,0.333333,0.250000,0.750000,8\n"
        b"d,m,1,2,1.000000,0.500000,0.250000,0.750000,8\n"
    )


def test_row_order_does_not_change_the_bytes(tmp_path):
    frame = training()
    write_table(tmp_path / "a.csv", frame, TABLES["training"])
    write_table(tmp_path / "b.csv", frame[::-1], TABLES["training"])
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_nan_is_an_empty_cell(tmp_path):
    write_table(tmp_path / "t.csv", training(test_accuracy=np.nan), TABLES["training"])
    assert read_table(tmp_path / "t.csv", TABLES["training"])["test_accuracy"].isna().all()
    assert b"nan" not in (tmp_path / "t.csv").read_bytes()


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (training().drop(columns="epochs"), "columns"),
        (training(extra=1), "extra"),
        (training(seed=0), "two rows"),
    ],
)
def test_wrong_tables_are_refused(tmp_path, frame, says):
    with pytest.raises(VebiError, match=says):
        write_table(tmp_path / "t.csv", frame, TABLES["training"])
    assert not (tmp_path / "t.csv").exists()


def test_reading_another_table_names_the_missing_columns(tmp_path):
    write_table(tmp_path / "t.csv", training(), TABLES["training"])
    with pytest.raises(VebiError, match="mean_iou"):
        read_table(tmp_path / "t.csv", TABLES["iou_curve"])


def test_stacking_puts_the_runs_keys_in_front(tmp_path):
    for name in "ab":
        rows = pd.DataFrame({"epoch": [1, 2], "loss": [3.0, 2.0], "test_accuracy": [0.1, 0.2]})
        rows.to_csv(tmp_path / name, index=False)
    runs = [{"dataset": "d", "model": "m", "seed": seed} for seed in (0, 1)]
    stacked = stack_runs([tmp_path / "a", tmp_path / "b"], runs, last_row_only=True)
    assert stacked.to_dict("list") == {
        "dataset": ["d", "d"],
        "model": ["m", "m"],
        "seed": [0, 1],
        "epochs": [2, 2],
        "test_accuracy": [0.2, 0.2],
    }


def test_contract_keys_come_first_and_once():
    for name, spec in TABLES.items():
        assert len(set(spec.columns)) == len(spec.columns), name
        assert set(spec.formats) <= set(spec.columns), name


def test_names_stay_text_and_numbers_are_numbers(tmp_path):
    rows = {"dataset": ["7"], "model": ["m"], "seed": [0], "method": ["a"], "threshold": [0.5]}
    values = {"mean_iou": [0.1], "ci_low": [0.0], "ci_high": [0.2]}
    write_table(tmp_path / "t.csv", pd.DataFrame({**rows, **values}), TABLES["iou_curve"])
    frame = read_table(tmp_path / "t.csv", TABLES["iou_curve"])
    assert frame["dataset"].item() == "7"
    assert frame["threshold"].item() == 0.5
    assert frame["seed"].item() == 0
