from .model_file import load_model as load_model
from .model_file import save_model as save_model
from .nets import NetSpec as NetSpec
from .nets import build as build
from .train import TrainingSettings as TrainingSettings
from .train import accuracy as accuracy
from .weights import apply_weights as apply_weights
from .weights import read_weights as read_weights
