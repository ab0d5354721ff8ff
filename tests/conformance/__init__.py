"""Conformance: what the reference kernels compute, we compute, operator by operator and model by model.

case, cases/       how to make random uses of every operator, one file per family
models             cases -> .tflite files with the inputs to try them on
judge              what may differ, and by how much
*_suite            generated models, real models, layers on both engines, integer models without float arithmetic
campaign, page     `make conformance` and docs/conformance.md
try_case           one row, while an operator is being written
"""
