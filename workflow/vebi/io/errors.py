"""The one exception that is meant for people."""


class VebiError(Exception):
    """A problem that the user can solve.

    The message names the value, what was expected and what to do. Command line and scripts print it
    without a traceback.
    """
