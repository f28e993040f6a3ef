"""`vebi.Attribution`: captum's manner, our methods' numbers."""

import captum.attr
import captum.metrics
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vebi
from vebi.catalogue.methods import METHODS
from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.io.errors import VebiError
from vebi.studies.iou.localisation import mass_shares, relevance_rank


def small_net() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU(),
        nn.Conv2d(8, 8, 5), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    return net.eval()


@pytest.fixture
def inputs() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(3, 3, 32, 32)


TARGETS = torch.tensor([0, 3, 2])


def test_equal_to_captum(inputs: Tensor) -> None:
    net = small_net()
    theirs = captum.attr.InputXGradient(net).attribute(inputs.clone(), target=TARGETS)
    ours = vebi.Attribution(net, "gradient_x_input").attribute(inputs, target=TARGETS)
    torch.testing.assert_close(ours, theirs)
    assert (ours < 0).any()
    guided = captum.attr.GuidedBackprop(small_net()).attribute(inputs.clone(), target=TARGETS)
    ours = vebi.Attribution(net, "guided_backprop").attribute(inputs, target=TARGETS)
    torch.testing.assert_close(ours, guided)


def test_every_form_of_target(inputs: Tensor) -> None:
    attribution = vebi.Attribution(small_net(), "gradient_x_input")
    expected = attribution.attribute(inputs, target=TARGETS)
    for form in (TARGETS.tolist(), TARGETS.numpy(), TARGETS.numpy().astype(np.int32)):
        assert torch.equal(attribution.attribute(inputs, target=form), expected)
    of_two = attribution.attribute(inputs, target=2)
    assert torch.equal(of_two[2], expected[2])
    assert not torch.equal(of_two[0], expected[0])
    predicted = small_net()(inputs).argmax(1)
    assert torch.equal(attribution.attribute(inputs), attribution.attribute(inputs, predicted))
    assert not expected.requires_grad


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_the_shape_of_the_inputs(name: str, inputs: Tensor) -> None:
    net = small_net()
    explainer = vebi.fit(net, torch.randn(24, 3, 32, 32), mu=5)
    found = vebi.Attribution(explainer, name).attribute(inputs, target=TARGETS)
    assert found.shape == inputs.shape
    assert found.isfinite().all()
    assert not found.requires_grad
    if METHODS[name].explains == "features":
        # The map of the features that speak for the class, the same as the explainer's for it.
        assert torch.equal(found[:, 0], found[:, 2])
        predicted = net(inputs).argmax(1)
        maps = 3 * vebi.Attribution(explainer, name).attribute(inputs, target=predicted)[:, 0]
        theirs = [e.heatmap for e in explainer.explain(inputs, name)]
        torch.testing.assert_close(maps, torch.from_numpy(np.stack(theirs)))


def test_captum_s_metrics_run_on_it(inputs: Tensor) -> None:
    net = small_net()
    attribution = vebi.Attribution(net, "gradient_x_input")
    noise = torch.Generator().manual_seed(0)

    def perturb(images: Tensor) -> tuple[Tensor, Tensor]:
        change = 1e-3 * torch.randn(images.shape, generator=noise)
        return change, images - change

    gradient = vebi.Attribution(net, "gradient_x_input").attribute(inputs, target=TARGETS) / inputs
    found = captum.metrics.infidelity(net, perturb, inputs, gradient, target=TARGETS)
    nothing = captum.metrics.infidelity(net, perturb, inputs, 0 * gradient, target=TARGETS)
    # A gradient predicts what small changes do.
    assert (found < 0.05 * nothing).all()
    change = captum.metrics.sensitivity_max(attribution.attribute, inputs, target=TARGETS)
    assert change.shape == (3,)


def test_quantus_scores_it(inputs: Tensor) -> None:
    """Where Quantus is: its measures with masks are ours, and it finds what is faithful so."""
    declare_missing_ops()  # Quantus imports torchvision
    quantus = pytest.importorskip("quantus", reason="needs requirements-benchmark.txt")
    net = small_net()

    def explain(model, inputs, targets, method, as_map=True, **_):
        images = torch.as_tensor(np.asarray(inputs), dtype=torch.float32)
        attributed = vebi.Attribution(model, method).attribute(images, target=targets)
        return (attributed.sum(1, keepdim=True) if as_map else attributed).numpy()

    def score(metric, model, method, as_map=True, **given):
        chosen = {"method": method, "as_map": as_map}
        x, y = inputs.numpy(), TARGETS.numpy()
        batches = {"model": model, "x_batch": x, "y_batch": y, "a_batch": None}
        return np.array(
            metric(**batches, explain_func=explain, explain_func_kwargs=chosen, **given)
        )

    quiet = {"disable_warnings": True}
    masks = np.zeros((3, 32, 32), bool)
    masks[:, 8:20, 5:25] = True
    # Maps of the class without negative values.
    maps = explain(net, inputs.numpy(), TARGETS.numpy(), "grad_cam")[:, 0]
    assert (maps >= 0).all()
    mass = score(quantus.RelevanceMassAccuracy(**quiet), net, "grad_cam", s_batch=masks[:, None])
    np.testing.assert_allclose(mass, mass_shares(maps, masks[:, None])[:, 0], rtol=1e-4)
    signed = explain(net, inputs.numpy(), TARGETS.numpy(), "gradient_x_input")[:, 0]
    metric = quantus.RelevanceRankAccuracy(**quiet)
    rank = score(metric, net, "gradient_x_input", s_batch=masks[:, None])
    np.testing.assert_allclose(rank, relevance_rank(signed, masks), atol=1e-6)
    # Subsets of values go to zero: of a linear network gradient x input says what the score does then.
    linear = nn.Sequential(nn.Conv2d(3, 4, 32), nn.Flatten()).eval()
    given = {"nr_runs": 30, "subset_size": 64, "perturb_baseline": 0.0, "return_aggregate": False}
    metric = quantus.FaithfulnessCorrelation(**given, **quiet)
    found = score(metric, linear, "gradient_x_input", as_map=False)
    np.testing.assert_allclose(found, 1, atol=1e-3)
    # It explains images again that it has perturbed.
    metric = quantus.MaxSensitivity(nr_samples=3, lower_bound=0.02, **quiet)
    changes = score(metric, net, "lrp")
    assert ((changes >= 0) & np.isfinite(changes)).all()


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (4, "classes from 4 to 4, the network has 0 to 3"),
        (-1, "from -1"),
        ([0, 1], r"shape \(2,\)"),
        (0.5, "type float"),
    ],
)
def test_wrong_targets_are_named(target: object, says: str, inputs: Tensor) -> None:
    with pytest.raises(VebiError, match=says):
        vebi.Attribution(small_net(), "grad_cam").attribute(inputs, target=target)


def test_what_is_missing_is_named(inputs: Tensor) -> None:
    with pytest.raises(VebiError, match="one or more images"):
        vebi.Attribution(small_net(), "grad_cam").attribute(inputs[0], target=0)
    with pytest.raises(VebiError, match="Unknown heatmap method 'lpr'"):
        vebi.Attribution(small_net(), "lpr")
    with pytest.raises(VebiError, match="selected"):
        vebi.Attribution(small_net(), "vebi").attribute(inputs, target=0)
