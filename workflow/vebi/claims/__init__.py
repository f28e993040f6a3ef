"""The checkable claims of the three works, and what a run's tables say of each.

`claim.py` has the rules of the verdicts, one module per work its claims, `tabulate.py` the table.
"""
