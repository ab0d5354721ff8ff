"""A float graph becomes an int8 graph that the lowering takes as it takes an imported one.

    pools_to_means   what int8 can express better
    observers        arrays of a running float graph -> Statistics of each tensor
    calibrate        Statistics -> the range that int8 has to cover
    rules            which operators have an int8 form, and what it demands of its tensors
    assign           ranges and rules -> a scale and a zero point for each tensor
    weights          float weights -> int8 weights and int32 biases
    bias_correction  what rounded weights shift on average is taken off the bias
    rewrite          all of it -> the int8 graph, with quantize and dequantize nodes at the seams
    weights_only     the other way: narrower weights, float activations

Nothing here runs a model: who calls runs the graphs (`edge_sdk.quantization`) and hands back arrays. Numbers follow the
TFLite 8-bit quantisation specification, so the result is what the reference kernels compute.
"""
