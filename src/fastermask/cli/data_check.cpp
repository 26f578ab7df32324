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
  std::vector<std::string> fix;  // one for each of datasets, or none
  bool json = false;
  int shown = 5;
};

Json repair_json(const RepairSummary& repair, const std::string& file) {
  return {{"file", file},
          {"images_kept", repair.images_kept},
          {"images_removed", repair.images_removed},
          {"images_changed", repair.images_changed},
          {"annotations_kept", repair.annotations_kept},
          {"annotations_removed", repair.annotations_removed},
          {"annotations_changed", repair.annotations_changed},
          {"annotations_removed_with_their_image", repair.removed_with_image}};
}

Json check_json(const std::vector<CheckReport>& reports, const CheckArguments& arguments) {
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
    if (!arguments.fix.empty()) out.back()["repaired"] = repair_json(report.repair, arguments.fix[out.size() - 1]);
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

void print_repair(const RepairSummary& repair, const std::string& file) {
  fmt::print("repaired annotations: {}\n", file);
  fmt::print("  images: {} kept ({} of them changed), {} removed\n", repair.images_kept, repair.images_changed,
             repair.images_removed);
  fmt::print("  annotations: {} kept ({} of them changed), {} removed ({} of them with their image)\n",
             repair.annotations_kept, repair.annotations_changed, repair.annotations_removed,
             repair.removed_with_image.size());
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
  if (!arguments.fix.empty() && arguments.datasets.size() != arguments.fix.size()) {
    fail<UsageError>("--fix is given once for each data set, in their order: {} data sets, {} files",
                     arguments.datasets.size(), arguments.fix.size());
  }
  CheckOptions options;
  options.repair = !arguments.fix.empty();
  std::vector<CheckReport> reports;
  for (const std::string& name : arguments.datasets) {
    reports.push_back(check_dataset(find_dataset(name), options, reports));
  }
  for (std::size_t i = 0; i < arguments.fix.size(); ++i) {
    if (reports[i].repaired_json.empty()) {
      fail<DataError>("data check: {}: {}; it cannot be repaired", reports[i].name, reports[i].problems.back().message);
    }
    write_file_atomic(arguments.fix[i], reports[i].repaired_json);
  }
  if (arguments.json) {
    fmt::print("{}\n", check_json(reports, arguments).dump(2));
  } else {
    for (std::size_t i = 0; i < reports.size(); ++i) {
      print_check(reports[i], arguments.shown);
      if (!arguments.fix.empty()) print_repair(reports[i].repair, arguments.fix[i]);
    }
  }
  std::fflush(stdout);
  if (!arguments.fix.empty()) return;
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
                   "ANNOTATIONS.json:IMAGE_FOLDER, VOC_FOLDER@SPLIT or registered names; of several, pictures in two "
                   "sets are found, too")
      ->required();
  command
      ->add_option("--fix", arguments->fix,
                   "write the annotations with all repairs to this file; once for each data set, in their order")
      ->allow_extra_args(false);
  command->add_flag("--json", arguments->json, "print one JSON document");
  command->add_flag("--all{0}", arguments->shown, "show every problem, not only the first five of a kind");
  command->footer(
      "Every picture is decoded.\n"
      "Example: fastermask data check train.json:images val.json:images\n"
      "Example: fastermask data check train.json:images --fix train_repaired.json");
  command->callback([arguments] { run_data_check(*arguments); });
}

}  // namespace fastermask::cli
