// A graph as the steps that an inference executor runs: norms folded into convolutions, relus and sums done where the
// values are made, flattening and upsampling left to whoever reads them.
#pragma once

#include <vector>

#include "fastermask/graph/graph.h"

namespace fastermask {

// One step: a layer with what was fused into it.
struct FusedStep {
  int layer = 0;          // the layer that does the work: convolution, deconvolution, linear, max_pool, ...
  int norm = -1;          // a batch norm to fold into the weights; -1: none
  bool relu = false;      // done last
  int input = 0;          // value read: the index of the layer that makes it (0: the graph's input)
  int second_input = -1;  // offsets of a deformable convolution; the other operand of an add or average
  int residual = -1;      // value added before the relu; -1: none
  int residual_scale = 1;  // 2: each of the residual's pixels is added to 2x2 pixels (nearest upsampling)
  bool flattened = false;  // of a linear step: reads maps [R, C, P, P] whose layout is the executor's choice
  int output = 0;          // value made
};

struct FusedGraph {
  std::vector<FusedStep> steps;  // in the order to run
  std::vector<int> outputs;      // values, in the order of Graph::outputs
};

// Fuses, where only one layer reads a value: convolution, deconvolution, linear + batch norm (with its running
// statistics) + add + relu; group norm or add + relu. Values keep the number of the last layer fused.
FusedGraph fuse(const Graph& graph);

}  // namespace fastermask
