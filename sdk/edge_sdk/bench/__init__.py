"""Benchmarks: how long models take on each engine, measured so that the numbers can be compared."""
