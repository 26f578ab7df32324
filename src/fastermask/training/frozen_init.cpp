#include "fastermask/training/frozen_init.h"

#include <algorithm>
#include <set>
#include <string>

#include "fastermask/base/log.h"
#include "fastermask/base/text.h"

namespace fastermask {
namespace {

constexpr float kBranchScale = 0.25f;   // 16 blocks: the variance grows (1 + 1/16)^16 = 2.6-fold in all
constexpr double kPixelDeviation = 58;  // of a channel of natural pictures, from 0 to 255

void fill(TrainableRcnn& model, const std::string& name, float value) {
  NDArray array = to_array(model.parameters().tensor(name));
  std::fill_n(array.data<float>(), array.size(), value);
  model.parameters().assign(name, array);
}

}  // namespace

void balance_frozen_norms(TrainableRcnn& model) {
  std::set<std::string> norms;
  for (const Graph* graph : model.network().graphs()) {
    for (const Layer& layer : graph->layers) {
      if (layer.type == LayerType::normalisation && layer.norm == NormType::frozen_batch) norms.insert(layer.name);
    }
  }
  if (norms.empty()) return;
  log_warning("checkpoint",
              "MODEL.WEIGHTS is empty, but {} batch norms are frozen: training from scratch needs norms that "
              "learn, such as MODEL.RESNETS.NORM GN",
              norms.size());
  const std::string conv3 = ".conv3.norm", conv2 = ".conv2.norm";
  for (const std::string& name : norms) {
    const auto ends_with = [&name](const std::string& end) {
      return name.size() > end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
    };
    if (ends_with("stem.conv1.norm")) {
      // Kaiming's normal weights for the fan-out: variance 2 / (49 * out), times 49 * in products of pixels.
      const at::Tensor& weight = model.parameters().tensor(name.substr(0, name.size() - 5) + ".weight");
      const double pixel = kPixelDeviation / model.config().model.pixel_std.at(0);
      const double variance =
          2.0 * static_cast<double>(weight.size(1)) / static_cast<double>(weight.size(0)) * pixel * pixel;
      fill(model, name + ".running_var", static_cast<float>(variance));
      continue;
    }
    const bool last_of_two = ends_with(conv2) && norms.count(name.substr(0, name.size() - conv2.size()) + conv3) == 0;
    if (ends_with(conv3) || last_of_two) fill(model, name + ".weight", kBranchScale);
  }
}

}  // namespace fastermask
