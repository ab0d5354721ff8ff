/* All families, one pair of lines each; family.h says what comes out. No include guard: host.c asks for the names. */
#define EDGE_FAMILY add
#include "family.h"
#define EDGE_FAMILY boxes
#include "family.h"
#define EDGE_FAMILY cell
#include "family.h"
#define EDGE_FAMILY conv16
#include "family.h"
#define EDGE_FAMILY conv2d
#include "family.h"
#define EDGE_FAMILY convert
#include "family.h"
#define EDGE_FAMILY copy
#include "family.h"
#define EDGE_FAMILY depthwise_conv2d
#include "family.h"
#define EDGE_FAMILY detections
#include "family.h"
#define EDGE_FAMILY dynamic
#include "family.h"
#define EDGE_FAMILY elementwise
#include "family.h"
#define EDGE_FAMILY fully_connected
#include "family.h"
#define EDGE_FAMILY gates
#include "family.h"
#define EDGE_FAMILY gather
#include "family.h"
#define EDGE_FAMILY hybrid
#include "family.h"
#define EDGE_FAMILY lookup
#include "family.h"
#define EDGE_FAMILY map
#include "family.h"
#define EDGE_FAMILY matmul
#include "family.h"
#define EDGE_FAMILY mean
#include "family.h"
#define EDGE_FAMILY nms
#include "family.h"
#define EDGE_FAMILY normalization
#include "family.h"
#define EDGE_FAMILY pool
#include "family.h"
#define EDGE_FAMILY reduce
#include "family.h"
#define EDGE_FAMILY resize
#include "family.h"
#define EDGE_FAMILY select
#include "family.h"
#define EDGE_FAMILY softmax
#include "family.h"
#define EDGE_FAMILY spectrum
#include "family.h"
#define EDGE_FAMILY svdf
#include "family.h"
#define EDGE_FAMILY top_k
#include "family.h"
