"""The converter: a trained model becomes a WebAssembly module that calls the kernels in straight-line code.

    importers  bytes of a model file -> Graph
    passes     Graph -> Graph, kernel calls, memory plan
    ops        one file an operator: what is allowed, and which kernel with which constants
    codegen    kernel calls -> descriptors, memory layout, module
    convert    all of it in order

Another format is a folder in `importers`, another operator a file in `ops`; neither touches the rest.
"""
