"""Faults around a running pipeline, and the audit of what arrived: `python -m tests.faults --help`."""
