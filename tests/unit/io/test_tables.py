from dataclasses import replace
from pathlib import Path

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
    stacked = stack_runs(
        [tmp_path / "a", tmp_path / "b"], runs, TABLES["training"], last_row_only=True
    )
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
    values = {"mean_iou": [0.1], "ci_low": [0.0], "ci_high": [0.2], "over": ["scenes"]}
    write_table(tmp_path / "t.csv", pd.DataFrame({**rows, **values}), TABLES["iou_curve"])
    frame = read_table(tmp_path / "t.csv", TABLES["iou_curve"])
    assert frame["dataset"].item() == "7"
    assert frame["threshold"].item() == 0.5
    assert frame["seed"].item() == 0


HOSTILE = ("0.1", "0.10", "NA", "nan", "None", "007", "1e5", "true", "a,b", "ü", "", " x")
REFERENCE = Path(__file__).parents[3] / "results/reference"


@pytest.mark.parametrize("name", TABLES)
def test_hostile_names_survive_in_every_text_column(tmp_path, name):
    """Each column meets each name, and no two columns have the same in a row."""
    table, count = TABLES[name], len(HOSTILE)
    text = sorted(table.text)
    columns: dict[str, list[object]] = {}
    for place, column in enumerate(table.columns):
        if column in table.text:
            shift = text.index(column)
            columns[column] = [HOSTILE[(row + shift) % count] for row in range(count)]
        else:
            columns[column] = [float(place + row) for row in range(count)]
    frame = pd.DataFrame(columns)
    ordered = frame.sort_values(list(table.keys), ignore_index=True)
    write_table(tmp_path / "a.csv", ordered, table)
    again = read_table(tmp_path / "a.csv", table)
    pd.testing.assert_frame_equal(again.astype(ordered.dtypes), ordered)
    assert all(pd.api.types.is_string_dtype(again[column]) for column in table.text)
    assert all(pd.api.types.is_numeric_dtype(again[c]) for c in set(columns) - table.text)
    write_table(tmp_path / "b.csv", again, table)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize("path", sorted(REFERENCE.glob("*/tables/*.csv")), ids=str)
def test_tables_declare_their_text_and_are_rewritten_to_the_same_bytes(tmp_path, path):
    table = TABLES[path.stem]
    cells = pd.read_csv(path, dtype=str, keep_default_na=False)
    flags = {"", "True", "False"}
    for column in (
        set(cells) - table.text - {column for column in cells if set(cells[column]) <= flags}
    ):
        pd.to_numeric(cells.loc[cells[column] != "", column])
    frame = read_table(path, table)
    assert list(frame.columns) == table.columns
    # Columns that a later version put at the end are blank.
    there = replace(
        table,
        values=tuple(column for column in table.values if column in cells),
        text_values=tuple(column for column in table.text_values if column in cells),
    )
    later = frame[[column for column in table.columns if column not in cells]]
    assert (later.isna() | (later == "")).all(axis=None)
    write_table(tmp_path / path.name, frame[there.columns], there)
    assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_only_the_end_of_an_older_table_may_be_missing(tmp_path):
    table = TABLES["iou_paired"]
    row = {column: ["a"] if column in table.text else [0.5] for column in table.columns}
    whole = pd.DataFrame(row)
    for n in range(1, 12):
        older = whole[table.columns[:-n]]
        older.to_csv(tmp_path / "t.csv", index=False)
        frame = read_table(tmp_path / "t.csv", table)
        assert list(frame.columns) == table.columns
        assert frame["over"].tolist() == [""]
        assert frame["auc_difference"].tolist() == [0.5]
        assert n == 1 or np.isnan(frame["ranked_ci_high"].item())
    for gone in ("p_value", "dataset", "auc_difference"):
        whole.drop(columns=gone).to_csv(tmp_path / "t.csv", index=False)
        with pytest.raises(VebiError, match=f"lacks the columns {gone}"):
            read_table(tmp_path / "t.csv", table)
    whole[list(table.keys)].to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(VebiError, match="lacks the columns auc_difference"):
        read_table(tmp_path / "t.csv", table)


def test_numbered_layers_stay_apart_when_runs_are_stacked(tmp_path):
    """nn.Sequential in nn.Sequential names layers 0.1 and 0.10; read as numbers they are one."""
    table = TABLES["selected_features"]
    rows = pd.DataFrame(
        {
            "scope": ["all", "all"],
            "mu": [10.0, 10.0],
            "class": [0, 0],
            "layer": ["0.1", "0.10"],
            "channel": [3, 3],
            "layer_type": ["NA", "None"],
            "weight": [0.5, -0.25],
        }
    )
    rows.to_csv(tmp_path / "part.csv", index=False)
    run = {"dataset": "NA", "model": "nan", "seed": 0}
    stacked = stack_runs([tmp_path / "part.csv"], [run], table)
    write_table(tmp_path / "t.csv", stacked, table)
    again = read_table(tmp_path / "t.csv", table)
    assert again["layer"].tolist() == ["0.1", "0.10"]
    assert again["layer_type"].tolist() == ["NA", "None"]
    assert again["weight"].tolist() == [0.5, -0.25]
    assert len(again.groupby(["dataset", "model", "layer"])) == 2
