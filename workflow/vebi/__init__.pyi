from .explanation.attribution import Attribution as Attribution
from .explanation.explainer import Explainer as Explainer
from .explanation.explainer import explain as explain
from .explanation.explainer import fit as fit
from .explanation.explainer import load as load
from .io.errors import VebiError as VebiError
from .selection.estimator import MuLasso as MuLasso
from .version import __version__ as __version__
