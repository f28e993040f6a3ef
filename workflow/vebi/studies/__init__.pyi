from .job_inputs import load_interpreted_network as load_interpreted_network
from .job_inputs import load_network as load_network
from .record import Figure as Figure
from .record import Study as Study
from .record import Tabulation as Tabulation
from .registry import STUDIES as STUDIES
from .registry import study_of_figure as study_of_figure
from .registry import study_of_table as study_of_table
