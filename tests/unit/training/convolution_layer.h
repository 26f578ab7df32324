#pragma once

#include "fastermask/graph/graph.h"

namespace fastermask {

inline Layer convolution_layer(int in, int out, int kernel, int stride, int padding) {
  Layer layer;
  layer.type = LayerType::convolution;
  layer.in_channels = in;
  layer.out_channels = out;
  layer.kernel = kernel;
  layer.stride = stride;
  layer.padding = padding;
  layer.dilation = layer.groups = 1;
  return layer;
}

}  // namespace fastermask
