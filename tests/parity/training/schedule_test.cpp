// Learning rates of nine schedules, as detectron2's schedulers give them.
#include "fastermask/training/schedule.h"

#include <cmath>

#include "parity/runtime/golden_model.h"

namespace fastermask {
namespace {

// The recorded SOLVER values as overrides.
std::vector<std::string> solver_overrides(const nlohmann::json& solver) {
  std::vector<std::string> overrides;
  for (const auto& [key, value] : solver.items()) {
    overrides.push_back("SOLVER." + key);
    overrides.push_back(value.is_string()    ? value.get<std::string>()
                        : value.is_boolean() ? (value ? "True" : "False")
                                             : value.dump());
  }
  return overrides;
}

TEST(GoldenSchedule, LearningRatesEqualTheReference) {
  FASTERMASK_NEEDS_REFERENCE(reference);
  const nlohmann::json schedules = golden_model::read_json(reference + "/golden/i_lr.json");
  ASSERT_GE(schedules.size(), 9u);
  for (std::size_t s = 0; s < schedules.size(); ++s) {
    const nlohmann::json& schedule = schedules[s];
    const Config config = load_config("", solver_overrides(schedule.at("solver")));
    golden_model::WorstErrors worst("schedule " + std::to_string(s));
    const std::string name = schedule.at("solver").at("LR_SCHEDULER_NAME");
    for (std::size_t i = 0; i < schedule.at("iters").size(); ++i) {
      const std::int64_t iteration = schedule["iters"][i];
      const double expected = schedule.at("lr").at(i);
      const double error = std::abs(learning_rate(config.solver, iteration) - expected) / config.solver.base_lr;
      worst.add(name, error, "iteration " + std::to_string(iteration));
    }
    worst.print();
    worst.expect_below(name, 1e-9);
  }
}

}  // namespace
}  // namespace fastermask
