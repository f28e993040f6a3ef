import pytest
from tests.workflow.slurm.cluster import Cluster


@pytest.fixture(scope="session")
def cluster():
    """Slurm, running."""
    one = Cluster()
    try:
        one.start()
    except Exception as error:
        pytest.fail(f"Slurm did not start: {error}\n{one.logs()}")
    else:
        yield one
    finally:
        one.stop()
