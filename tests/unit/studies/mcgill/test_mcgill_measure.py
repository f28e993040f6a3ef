"""The study on a network in which one known filter decides."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from vebi.config.mcgill import RemovalConfig
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.io.errors import VebiError
from vebi.studies.mcgill.measure import COLUMNS, run_study
from vebi.studies.mcgill.report_networks import REPORTED


@pytest.fixture(scope="module")
def net_and_data(tmp_path_factory):
    """Bright or dark: filter 0 of each layer carries the brightness, the other seven carry nothing.

    In the second layer it reads the first layer's filters 0 and 1, which are equal.
    """
    net = nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)
    ).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net[0].weight[:2] = 1.0
        net[2].weight[0, :2] = 0.5
        net[5].weight[1, :4] = 1.0
        net[5].bias[0] = 200.0
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    images = (rng.integers(0, 20, (60, 2, 2, 1)) + 200 * labels[:, None, None, None]).astype(
        np.uint8
    )
    path = tmp_path_factory.mktemp("d") / "d.h5"
    write_dataset(path, Images(images, labels, np.arange(60) % 3 == 0, ["dark", "bright"]))
    return net, open_dataset(path)


def selected(layer, channels, mu=10.0):
    return pd.DataFrame(
        {
            **{"labels": "annotations", "scope": "all", "solver": "path"},
            **{"mu": mu, "layer": layer, "channel": channels},
        }
    )


def run(net_and_data, features, repeats=8):
    net, dataset = net_and_data
    settings = RemovalConfig(repeats=repeats, batch_size=7)
    return run_study(net, dataset, features, REPORTED["keras"], settings, key=[0, 0])


def test_complete_removal_hits_and_partial_removal_leaves_the_filter_alive(net_and_data):
    table = run(net_and_data, selected("3", [0]))
    assert list(table.columns) == list(COLUMNS)
    whole = table[table["condition"] == "none"]
    assert whole["test"].tolist() == [1.0]
    chosen = table[table["condition"] == "selected"].set_index("removal")["test"]
    assert chosen["complete"] == 0.5
    # Without its first input the filter still has the second, at half the strength: 4 x 100 > 200.
    assert chosen["partial"] == 1.0
    assert table["train"].isna().all()


def test_controls_have_the_selections_size_and_layers_and_are_shared_by_removals(net_and_data):
    table = run(net_and_data, selected("3", [0, 2]))
    assert (table[table["condition"] != "none"]["n_removed"] == 2).all()
    assert (table["n_filters"] == 8).all()
    counts = table.groupby(["removal", "condition"]).size()
    assert counts["complete", "random"] == counts["partial", "random_layer_matched"] == 8
    matched = table[table["condition"] == "random_layer_matched"]
    complete = matched[matched["removal"] == "complete"]["test"].to_numpy()
    # Two of the four filters of the layer: filter 0 is among them half of the time.
    assert set(complete) == {0.5, 1.0}


def test_the_same_key_gives_the_same_table(net_and_data):
    features = selected("3", [0, 2])
    pd.testing.assert_frame_equal(run(net_and_data, features), run(net_and_data, features))


def test_another_solvers_cases_move_no_draw(net_and_data):
    one = selected("3", [0, 2])
    both = pd.concat([one.assign(solver="spgl1"), one])
    alone, beside = run(net_and_data, one), run(net_and_data, both)
    beside = beside[beside["solver"] != "spgl1"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, beside)


def test_features_of_another_network_are_an_error(net_and_data):
    with pytest.raises(VebiError, match="no layer 'conv9'"):
        run(net_and_data, selected("conv9", [0]))
