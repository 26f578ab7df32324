// `fastermask data check`.
#include <nlohmann/json.hpp>

#include <cstdio>
#include <map>
#include <memory>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/cli/data.h"
#include "fastermask/data/dataset_check.h"

namespace fastermask::cli {
namespace {

using Json = nlohmann::ordered_json;

struct CheckArguments {
  std::vector<std::string> datasets;
  std::string fix;
  bool json = false;
  int shown = 5;
};

Json check_json(const std::vector<CheckReport>& reports) {
  Json out = Json::array();
  for (const CheckReport& report : reports) {
    std::map<std::string, std::int64_t> counts;
    Json problems = Json::array();
    for (const DataProblem& problem : report.problems) {
      const char* kind = problem_name(problem.kind);
      ++counts[kind];
      Json entry = {{"kind", kind}, {"error", is_error(problem.kind)}, {"file", problem.file}};
      if (problem.image_id >= 0) entry["image_id"] = problem.image_id;
      if (problem.annotation_id >= 0) entry["annotation_id"] = problem.annotation_id;
      entry["message"] = problem.message;
      if (!problem.repair.empty()) entry["repair"] = problem.repair;
      problems.push_back(std::move(entry));
    }
    out.push_back({{"name", report.name},
                   {"images", report.images},
                   {"annotations", report.annotations},
                   {"counts", counts},
                   {"problems", problems}});
  }
  return {{"datasets", out}};
}

void print_problem(const DataProblem& problem) {
  std::string where = problem.file;
  if (problem.image_id >= 0) where += fmt::format(", image {}", problem.image_id);
  if (problem.annotation_id >= 0) where += fmt::format(", annotation {}", problem.annotation_id);
  fmt::print("    {}: {}\n", where, problem.message);
}

void print_check(const CheckReport& report, int shown) {
  fmt::print("{}: {} images, {} annotations, {} problems\n", report.name, report.images, report.annotations,
             report.problems.size());
  std::map<ProblemKind, std::vector<const DataProblem*>> by_kind;
  for (const DataProblem& problem : report.problems) by_kind[problem.kind].push_back(&problem);
  for (const auto& [kind, problems] : by_kind) {
    const std::string& repair = problems.front()->repair;
    fmt::print("  {} {} ({}){}\n", problems.size(), problem_name(kind), is_error(kind) ? "error" : "warning",
               repair.empty() ? "" : "; repair: " + repair);
    for (std::size_t i = 0; i < problems.size() && (shown <= 0 || i < static_cast<std::size_t>(shown)); ++i) {
      print_problem(*problems[i]);
    }
    if (shown > 0 && problems.size() > static_cast<std::size_t>(shown)) {
      fmt::print("    ... and {} more (--all shows them)\n", problems.size() - static_cast<std::size_t>(shown));
    }
  }
}

std::int64_t count_errors(const std::vector<CheckReport>& reports) {
  std::int64_t errors = 0;
  for (const CheckReport& report : reports) {
    for (const DataProblem& problem : report.problems) errors += is_error(problem.kind);
  }
  return errors;
}

void run_data_check(const CheckArguments& arguments) {
  set_console_log_level(LogLevel::warning);
  if (!arguments.fix.empty() && arguments.datasets.size() != 1) {
    fail<UsageError>("--fix repairs one data set at a time, got {}", arguments.datasets.size());
  }
  std::vector<CheckReport> reports;
  for (const std::string& name : arguments.datasets) {
    reports.push_back(check_dataset(find_dataset(name), !arguments.fix.empty()));
  }
  check_shared_images(reports);
  if (arguments.json) {
    fmt::print("{}\n", check_json(reports).dump(2));
  } else {
    for (const CheckReport& report : reports) print_check(report, arguments.shown);
  }
  std::fflush(stdout);
  if (!arguments.fix.empty()) {
    if (reports[0].repaired_json.empty()) fail<DataError>("data check: the JSON is broken; it cannot be repaired");
    write_file_atomic(arguments.fix, reports[0].repaired_json);
    if (!arguments.json) fmt::print("repaired annotations: {}\n", arguments.fix);
    return;
  }
  const std::int64_t errors = count_errors(reports);
  if (errors > 0) {
    fail<DataError>("data check: {} errors found; --fix OUT.json writes repaired annotations", errors);
  }
}

}  // namespace

void add_data_check(CLI::App& data) {
  CLI::App* command = data.add_subcommand("check", "Find what is wrong with data sets, and repair annotations");
  auto arguments = std::make_shared<CheckArguments>();
  command
      ->add_option("datasets", arguments->datasets,
                   "ANNOTATIONS.json:IMAGE_FOLDER or registered names; of several, pictures in two sets are found, too")
      ->required();
  command->add_option("--fix", arguments->fix, "write the annotations with all repairs to this file");
  command->add_flag("--json", arguments->json, "print one JSON document");
  command->add_flag("--all{0}", arguments->shown, "show every problem, not only the first five of a kind");
  command->footer(
      "Every picture is decoded. Exit status 1 when there are errors (warnings alone: 0).\n"
      "Example: fastermask data check train.json:images val.json:images\n"
      "Example: fastermask data check train.json:images --fix train_repaired.json");
  command->callback([arguments] { run_data_check(*arguments); });
}

}  // namespace fastermask::cli
