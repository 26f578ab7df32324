#include "fastermask/training/debug_dump.h"

#include <fmt/format.h>

#include "fastermask/base/file.h"
#include "fastermask/weights/torch_file.h"

namespace fastermask {

DebugDump::DebugDump(TrainableRcnn& model) : model_(model) { model_.set_recorder(&recorder_); }

DebugDump::~DebugDump() { model_.set_recorder(nullptr); }

void DebugDump::write(const std::string& folder, std::int64_t number) const {
  NamedArrays gradients;
  for (const StoredParameter& stored : model_.parameters().all()) {
    if (stored.tensor.grad().defined()) gradients.emplace(stored.info.name, to_array(stored.tensor.grad()));
  }
  const auto save = [&](const char* what, const NamedArrays& arrays) {
    save_torch_file(join_path(folder, fmt::format("npu_{}_{}.pth", what, number)), PickleValue::state_dict(arrays));
  };
  save("fp_feature", recorder_.outputs());
  save("bp_feature", recorder_.gradients());
  save("grad_dict", gradients);
}

}  // namespace fastermask
