"""The studies: what each measures, its tables and its figures."""
