// Written .pth files as Python's torch.load sees them. Needs the package python3-torch; skipped, saying so, without it.
#include <gtest/gtest.h>

#include <cstdlib>

#include "fastermask/base/file.h"
#include "fastermask/weights/torch_file.h"
#include "fastermask/weights/weight_file.h"

namespace fastermask {
namespace {

constexpr const char* kPython = "/usr/bin/python3";

bool python_runs(const std::string& program) {
  const std::string script = testing::TempDir() + "/fastermask_torch_load.py";
  write_file_atomic(script, program);
  return std::system(fmt::format("{} {} >{}.out 2>&1", kPython, script, script).c_str()) == 0;
}

std::string python_output() { return read_file(testing::TempDir() + "/fastermask_torch_load.py.out"); }

#define FASTERMASK_NEEDS_PYTHON_TORCH() \
  if (!python_runs("import torch")) GTEST_SKIP() << "skipped: " << kPython << " has no torch (package python3-torch)"

TEST(TorchLoad, ReadsACheckpointWithTensorsNumbersAndSharedStorages) {
  FASTERMASK_NEEDS_PYTHON_TORCH();
  const std::string path = testing::TempDir() + "/fastermask_torch_load.pth";
  const PickleValue weight = PickleValue::array(NDArray::from<float>({2, 3}, std::vector<float>{0, 1, 2, 3, 4, 5}));
  PickleValue model = PickleValue::ordered_dict();
  model.set("a.weight", weight);
  model.set("a.tied", weight);
  model.set("count", PickleValue::array(NDArray::from<std::int64_t>({}, std::vector<std::int64_t>{7})));
  model.set("half", PickleValue::array(NDArray(DType::bfloat16, {2})));
  model.set("empty", PickleValue::array(NDArray(DType::uint8, {0, 3})));
  PickleValue version = PickleValue::dict();
  version.set("version", PickleValue::integer(3));
  PickleValue metadata = PickleValue::ordered_dict();
  metadata.set("a", version);
  model.set_attribute("_metadata", metadata);
  PickleValue group = PickleValue::dict();
  group.set("lr", PickleValue::real(0.02));
  group.set("params", PickleValue::list({PickleValue::integer(0)}));
  PickleValue tree = PickleValue::dict();
  tree.set("model", model);
  tree.set("param_groups", PickleValue::list({group}));
  tree.set("iteration", PickleValue::integer(89999));
  save_torch_file(path, tree);
  EXPECT_TRUE(python_runs(fmt::format(R"(
import torch
t = torch.load('{}')
m = t['model']
assert torch.equal(m['a.weight'], torch.arange(6.).reshape(2, 3)) and m['a.weight'].is_contiguous()
assert m['a.tied'].data_ptr() == m['a.weight'].data_ptr()
assert m['count'].item() == 7 and m['count'].dtype == torch.int64
assert m['half'].dtype == torch.bfloat16 and m['empty'].shape == (0, 3)
assert m._metadata['a'] == dict(version=3)
assert t['param_groups'] == [dict(lr=0.02, params=[0])] and t['iteration'] == 89999
m['a.weight'] += 1
)", path))) << python_output();
}

TEST(TorchLoad, ReadsSavedWeightsWithoutRunningCode) {
  FASTERMASK_NEEDS_PYTHON_TORCH();
  const std::string path = testing::TempDir() + "/fastermask_torch_weights.pth";
  save_weight_file(path, {{"w", NDArray::from<float>({2}, std::vector<float>{1, 2})}});
  EXPECT_TRUE(python_runs(fmt::format(R"(
import torch
t = torch.load('{}', weights_only=True)
assert t['model']['w'].tolist() == [1, 2]
)", path))) << python_output();
}

TEST(TorchLoad, FilesOfTorchSaveInBothFormatsAreRead) {
  FASTERMASK_NEEDS_PYTHON_TORCH();
  const std::string path = testing::TempDir() + "/fastermask_torch_saved.pth";
  for (const char* zip : {"True", "False"}) {
    ASSERT_TRUE(python_runs(fmt::format(R"(
import torch
net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
net(torch.ones(2, 3, 5, 5)).sum().backward()
opt.step()
for p in net.parameters(): p.data.fill_(0.5)
torch.save(dict(model=net.state_dict(), optimizer=opt.state_dict(), size=torch.Size([1, 2]), dtype=torch.float32,
                device=torch.device('cpu'), view=torch.arange(12.).reshape(3, 4)[1:, ::2].t()), '{}',
           _use_new_zipfile_serialization={})
)", path, zip))) << python_output();
    const PickleValue tree = load_torch_file(path);
    EXPECT_EQ(tree.at("view").as_array().to_floats(), (std::vector<float>{4, 8, 6, 10}));
    EXPECT_EQ(tree.at("size").items().size(), 2u);
    EXPECT_EQ(tree.at("dtype").type_name(), "torch.float32");
    EXPECT_EQ(tree.at("optimizer").at("param_groups").items()[0].at("lr").as_double(), 0.1);
    EXPECT_EQ(tree.at("optimizer").at("state").entries().size(), 4u);
    const WeightFile file = load_weight_file(path);
    EXPECT_EQ(file.arrays.size(), 7u);
    EXPECT_EQ(file.arrays.at("0.weight").to_floats(), std::vector<float>(108, 0.5f));
    EXPECT_EQ(file.module_versions.at("1"), 2);
  }
}

}  // namespace
}  // namespace fastermask
