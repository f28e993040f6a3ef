"""What most jobs read first: a network, its images, its selected features.

The names are those of the rules' inputs (`dataset`, `model`, `descriptors`, `path`) and parameters.
"""

from torch import nn

from vebi.data.dataset import open_dataset
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.models.model_file import load_model
from vebi.models.train import TrainingSettings
from vebi.perturbation.resample import Sampling
from vebi.run.job import Task
from vebi.selection.path_file import read_solution


def load_network(task: Task, name: str = "model") -> nn.Module:
    """The network of input `name`, in evaluation mode on the job's device."""
    return load_model(task.input[name], task.device, task.factories)[0]


def training_of(task: Task) -> tuple[str, TrainingSettings]:
    """What is trained, as in `NetSpec.architecture`, and how: `params.settings`."""
    settings = dict(task.params.settings)
    network = settings.pop("network")
    return network, TrainingSettings(**settings)


def load_interpreted_network(task: Task) -> InterpretedNetwork:
    """The network with its images, descriptors and the weights of its path at `params.mu`.

    `params.resampling`, where a rule has it: how images are perturbed.
    """
    return InterpretedNetwork(
        model=load_network(task),
        dataset=open_dataset(task.input.dataset),
        descriptors=open_descriptors(task.input.descriptors),
        weights=read_solution(task.input.path).weights_at(task.params.mu),
        device=task.device,
        sampling=Sampling.first_of(getattr(task.params, "resampling", {})),
    )
