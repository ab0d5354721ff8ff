"""Conformance: what the reference kernels compute, we compute, operator by operator and model by model.

case        what a case function works with
cases/      CASES: how to make random uses of every operator, one file per family
models      cases -> .tflite files with the inputs to try them on
"""
