// Evaluating files and comparing whole arrays, for the parity tests.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/evaluation/results.h"

namespace fastermask::testing_support {

constexpr double kEvaluationTolerance = 1e-12;

// Python writes NaN where JSON has no word for it: read as null.
inline nlohmann::json read_json(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw Error("cannot read " + path);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  for (std::size_t at = 0; (at = text.find("NaN", at)) != std::string::npos;) text.replace(at, 3, "null");
  return nlohmann::json::parse(text);
}

inline CocoEvalResult evaluate_files(const std::string& truth_file, const std::string& results_file, IouType type) {
  const auto truth = std::make_shared<const CocoGroundTruth>(CocoGroundTruth::read(truth_file));
  CocoEvaluator evaluator(truth, CocoEvalParams::defaults(type));
  evaluator.add_all(read_results_json(results_file, *truth, type));
  return evaluator.evaluate();
}

inline double largest_difference(const std::vector<double>& actual, const std::vector<double>& expected) {
  if (actual.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double difference = std::abs(actual[i] - expected[i]);
    largest = difference <= largest ? largest : difference;  // NaN sticks
  }
  return largest;
}

}  // namespace fastermask::testing_support
