// Names, shapes and trainability of the parameters of six zoo models, as detectron2's own state dicts have them.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "fastermask/config/load.h"
#include "fastermask/graph/network.h"
#include "support/reference.h"

namespace fastermask {
namespace {

std::set<std::string> frozen_norm_names(const Network& network) {
  std::set<std::string> names;
  for (const Graph* graph : network.graphs()) {
    for (const Layer& layer : graph->layers) {
      if (layer.type == LayerType::normalisation && layer.norm == NormType::frozen_batch) names.insert(layer.name);
    }
  }
  return names;
}

TEST(ModelKeys, EqualDetectron2StateDicts) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  std::ifstream stream(folder + "/golden/k_ckpt/d2_model_keys.json");
  const nlohmann::json models = nlohmann::json::parse(stream);
  ASSERT_GE(models.size(), 6u);
  for (const auto& [model, keys] : models.items()) {
    const Network network = build_network(load_config(model + ".yaml"));
    const std::set<std::string> frozen_norms = frozen_norm_names(network);
    std::set<std::string> names;
    for (const Parameter& parameter : network.parameters()) {
      ASSERT_TRUE(names.insert(parameter.name).second) << model << ": " << parameter.name << " twice";
      ASSERT_TRUE(keys.contains(parameter.name)) << model << ": " << parameter.name;
      const nlohmann::json& key = keys.at(parameter.name);
      EXPECT_EQ(parameter.shape, key.at("shape").get<Shape>()) << model << ": " << parameter.name;
      EXPECT_EQ(parameter.trainable, key.at("trainable").get<bool>()) << model << ": " << parameter.name;
      const std::string module = parameter.name.substr(0, parameter.name.rfind('.'));
      EXPECT_EQ(frozen_norms.count(module) > 0, key.at("kind") == "buffer") << model << ": " << parameter.name;
    }
    EXPECT_EQ(names.size(), keys.size()) << model;
    std::printf("[  equal   ] %s: %zu names\n", model.c_str(), names.size());
  }
}

}  // namespace
}  // namespace fastermask
