#include "fastermask/training/frozen_init.h"

#include "fastermask/base/log.h"
#include "fastermask/runtime/initial_weights.h"

namespace fastermask {

void balance_frozen_norms(TrainableRcnn& model) {
  const NamedArrays balanced =
      balanced_frozen_norms(model.network(), static_cast<double>(model.config().model.pixel_std.at(0)));
  if (balanced.empty()) return;
  log_warning("checkpoint",
              "MODEL.WEIGHTS is empty, but batch norms are frozen: training from scratch needs norms that learn, such "
              "as MODEL.RESNETS.NORM GN");
  for (const auto& [name, array] : balanced) model.parameters().assign(name, array);
}

}  // namespace fastermask
