// The reference's five small whole models, and a record of the worst error of each quantity.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fastermask/config/load.h"
#include "fastermask/weights/npz.h"
#include "support/reference.h"

namespace fastermask::golden_model {

inline const auto kModels = testing::Values("mask_fpn", "mask_c4", "cascade_fpn", "keypoint_fpn", "faster_c4");

inline std::string folder_of(const std::string& reference, const std::string& model) {
  return reference + "/golden/models/" + model;
}

inline nlohmann::json read_json(const std::string& path) {
  std::ifstream stream(path);
  if (!stream) fail("golden: {} cannot be read", path);
  return nlohmann::json::parse(stream);
}

// The config of a model with its weights, and KEY VALUE pairs on top.
inline Config model_config(const std::string& folder, std::vector<std::string> overrides = {}) {
  overrides.insert(overrides.end(), {"MODEL.WEIGHTS", folder + "/model.pth"});
  return load_config(folder + "/config.yaml", overrides);
}

// The worst error of each quantity, and where it was. Printed as one line a quantity.
class WorstErrors {
 public:
  explicit WorstErrors(std::string title) : title_(std::move(title)) {}

  void add(const std::string& quantity, double error, const std::string& where) {
    const auto [it, fresh] = worst_.try_emplace(quantity, Entry{error, where});
    // Not a number is the worst there is.
    if (!fresh && !(error <= it->second.error)) it->second = {error, where};
  }

  // 0 when nothing was compared, which `expect_below` refuses.
  double of(const std::string& quantity) const { return worst_.count(quantity) == 0 ? 0 : worst_.at(quantity).error; }

  void expect_below(const std::string& quantity, double limit) const {
    ASSERT_EQ(worst_.count(quantity), 1u) << title_ << ": no " << quantity << " was compared";
    const Entry& entry = worst_.at(quantity);
    EXPECT_LE(entry.error, limit) << title_ << ": " << quantity << " of " << entry.where;
  }

  void print() const {
    for (const auto& [quantity, entry] : worst_) {
      std::printf("[  worst   ] %-22s %-26s %-9.2g %s\n", title_.c_str(), quantity.c_str(), entry.error,
                  entry.where.c_str());
    }
  }

 private:
  struct Entry {
    double error = 0;
    std::string where;
  };

  std::string title_;
  std::map<std::string, Entry> worst_;
};

}  // namespace fastermask::golden_model
