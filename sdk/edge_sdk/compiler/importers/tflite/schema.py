"""Field numbers and enumerations of the TensorFlow Lite schema, as far as they are read here.

tensorflow/compiler/mlir/lite/schema/schema.fbs, version 3c. Field numbers count from 0 in the order of the schema;
a union takes two (its type, its table).
"""

from __future__ import annotations

IDENTIFIER = b"TFL3"
VERSION = 3


class Model:
    VERSION = 0
    OPERATOR_CODES = 1
    SUBGRAPHS = 2
    BUFFERS = 4


class OperatorCode:
    #: int8; the operator's number was one byte once, and is 127 here for the newer ones.
    DEPRECATED_BUILTIN_CODE = 0
    CUSTOM_CODE = 1
    BUILTIN_CODE = 3


class SubGraph:
    TENSORS = 0
    INPUTS = 1
    OUTPUTS = 2
    OPERATORS = 3


class Tensor:
    SHAPE = 0
    TYPE = 1
    BUFFER = 2
    NAME = 3
    QUANTIZATION = 4
    IS_VARIABLE = 5
    SPARSITY = 6
    EXTERNAL_BUFFER = 10


class QuantizationParameters:
    SCALE = 2
    ZERO_POINT = 3
    DETAILS_TYPE = 4
    QUANTIZED_DIMENSION = 6


class Operator:
    OPCODE_INDEX = 0
    INPUTS = 1
    OUTPUTS = 2
    OPTIONS_TYPE = 3
    OPTIONS = 4
    CUSTOM_OPTIONS = 5
    INTERMEDIATES = 8


class Buffer:
    DATA = 0
    #: Of files above 2 GiB: the data lies outside the flatbuffer, at this offset of the file. 0 and 1: it does not.
    OFFSET = 1
    SIZE = 2


class Conv2DOptions:
    UNION = 1
    PADDING = 0
    STRIDE_W = 1
    STRIDE_H = 2
    ACTIVATION = 3
    DILATION_W = 4
    DILATION_H = 5


class DepthwiseConv2DOptions:
    UNION = 2
    PADDING = 0
    STRIDE_W = 1
    STRIDE_H = 2
    ACTIVATION = 4
    DILATION_W = 5
    DILATION_H = 6


class SVDFOptions:
    UNION = 6
    RANK = 0
    ACTIVATION = 1
    ASYMMETRIC = 2


class Pool2DOptions:
    UNION = 5
    PADDING = 0
    STRIDE_W = 1
    STRIDE_H = 2
    FILTER_W = 3
    FILTER_H = 4
    ACTIVATION = 5


class RNNOptions:
    UNION = 7
    ACTIVATION = 0
    ASYMMETRIC = 1


class FullyConnectedOptions:
    UNION = 8
    ACTIVATION = 0
    WEIGHTS_FORMAT = 1
    KEEP_NUM_DIMS = 2
    ASYMMETRIC = 3


class TransposeConvOptions:
    UNION = 49
    PADDING = 0
    STRIDE_W = 1
    STRIDE_H = 2
    ACTIVATION = 3


class SoftmaxOptions:
    UNION = 9
    BETA = 0


class BatchMatMulOptions:
    UNION = 101
    ADJ_X = 0
    ADJ_Y = 1
    ASYMMETRIC = 2


class AddOptions:
    UNION = 11
    ACTIVATION = 0
    POT_SCALE_INT16 = 1


class MulOptions:
    UNION = 21
    ACTIVATION = 0


class SubOptions:
    UNION = 28
    ACTIVATION = 0
    POT_SCALE_INT16 = 1


class DivOptions:
    UNION = 29
    ACTIVATION = 0


class L2NormOptions:
    UNION = 12
    ACTIVATION = 0


class LocalResponseNormalizationOptions:
    UNION = 13
    RADIUS = 0
    BIAS = 1
    ALPHA = 2
    BETA = 3


class CallOptions:
    UNION = 16
    SUBGRAPH = 0


class IfOptions:
    UNION = 92
    THEN_SUBGRAPH = 0
    ELSE_SUBGRAPH = 1


class WhileOptions:
    UNION = 93
    COND_SUBGRAPH = 0
    BODY_SUBGRAPH = 1


class CallOnceOptions:
    UNION = 103
    INIT_SUBGRAPH = 0


class VarHandleOptions:
    UNION = 111
    CONTAINER = 0
    NAME = 1


class LSTMOptions:
    UNION = 14
    ACTIVATION = 0
    CELL_CLIP = 1
    PROJ_CLIP = 2
    #: 0: full; 1: basic.
    KERNEL_TYPE = 3
    ASYMMETRIC = 4


class ReducerOptions:
    UNION = 27
    KEEP_DIMS = 0


class SequenceRNNOptions:
    UNION = 31
    TIME_MAJOR = 0
    ACTIVATION = 1
    ASYMMETRIC = 2


class BidirectionalSequenceLSTMOptions:
    UNION = 69
    ACTIVATION = 0
    CELL_CLIP = 1
    PROJ_CLIP = 2
    MERGE_OUTPUTS = 3
    TIME_MAJOR = 4
    ASYMMETRIC = 5


class BidirectionalSequenceRNNOptions:
    UNION = 70
    TIME_MAJOR = 0
    ACTIVATION = 1
    MERGE_OUTPUTS = 2
    ASYMMETRIC = 3


class UnidirectionalSequenceLSTMOptions:
    UNION = 71
    ACTIVATION = 0
    CELL_CLIP = 1
    PROJ_CLIP = 2
    TIME_MAJOR = 3
    ASYMMETRIC = 4


class CastOptions:
    UNION = 37


class LeakyReluOptions:
    UNION = 75
    ALPHA = 0


class GeluOptions:
    UNION = 116
    APPROXIMATE = 0


class SpaceToDepthOptions:
    UNION = 19
    BLOCK_SIZE = 0


class DepthToSpaceOptions:
    UNION = 94
    BLOCK_SIZE = 0


class ConcatenationOptions:
    UNION = 10
    AXIS = 0
    ACTIVATION = 1


class StridedSliceOptions:
    UNION = 32
    BEGIN_MASK = 0
    END_MASK = 1
    ELLIPSIS_MASK = 2
    NEW_AXIS_MASK = 3
    SHRINK_AXIS_MASK = 4
    #: The ends are counted from the begins.
    OFFSET = 5


class PackOptions:
    UNION = 59
    VALUES_COUNT = 0
    AXIS = 1


class UnpackOptions:
    UNION = 64
    NUM = 0
    AXIS = 1


class MirrorPadOptions:
    UNION = 77
    MODE = 0


class GatherOptions:
    UNION = 23
    AXIS = 0
    BATCH_DIMS = 1


class ResizeBilinearOptions:
    UNION = 15
    ALIGN_CORNERS = 2
    HALF_PIXEL_CENTERS = 3


class ResizeNearestNeighborOptions:
    UNION = 74
    ALIGN_CORNERS = 0
    HALF_PIXEL_CENTERS = 1


class TopKOptions:
    UNION = 34


class OneHotOptions:
    UNION = 61
    AXIS = 0


class ReverseSequenceOptions:
    UNION = 87
    SEQ_DIM = 0
    BATCH_DIM = 1


_TENSOR_TYPES = (
    "float32 float16 int32 uint8 int64 string bool int16 complex64 int8 float64 complex128 uint64 resource variant "
    "uint32 uint16 int4 bfloat16 int2 uint4 float8_e4m3fn float8_e5m2"
)
#: TensorType -> name; numpy's where numpy has the type.
TENSOR_TYPES = dict(enumerate(_TENSOR_TYPES.split()))

PADDING_SAME = 0
PADDING_VALID = 1

#: ActivationFunctionType -> name in the graph. TANH (4) and SIGN_BIT (5) have none.
ACTIVATIONS = {0: "none", 1: "relu", 2: "relu_n1_to_1", 3: "relu6"}

_BUILTIN_OPERATORS = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR
FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION
LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH
CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER
BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE
BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM
ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE
TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK
LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD
RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N
GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE
NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL
PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE
HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE
ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU
DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2
UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT
"""
#: BuiltinOperator, by number.
BUILTIN_OPERATORS = _BUILTIN_OPERATORS.split()
CUSTOM = "CUSTOM"


def custom_operator(code: str) -> str:
    """Return the word for an operator that the schema does not know, by its code in the file."""
    return f"{CUSTOM} {code!r}"


def operator_name(number: int) -> str:
    """Return the schema's word for a BuiltinOperator."""
    return BUILTIN_OPERATORS[number] if 0 <= number < len(BUILTIN_OPERATORS) else f"operator {number}"
