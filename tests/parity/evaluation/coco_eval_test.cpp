// COCO evaluation against pycocotools: whole arrays of one data set, and the published numbers of another.
#include "fastermask/evaluation/coco_eval.h"

#include "fastermask/evaluation/summary.h"
#include "fastermask/weights/npz.h"
#include "parity/evaluation/golden_evaluation.h"
#include "support/reference.h"

namespace fastermask {
namespace {

using testing_support::evaluate_files;
using testing_support::kEvaluationTolerance;
using testing_support::largest_difference;
using testing_support::read_json;

class CocoEvalParity : public ::testing::TestWithParam<IouType> {};

TEST_P(CocoEvalParity, GivesEveryNumberOfPycocotools) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const std::string golden = folder + "/golden/h_cocoeval/";
  const std::string task = iou_type_name(GetParam());
  const CocoEvalResult result = evaluate_files(golden + "gt.json", golden + "results_" + task + ".json", GetParam());
  const NamedArrays arrays = load_npz(golden + "arrays.npz");
  const auto expected = [&](const char* name) {
    const NDArray& array = arrays.at(task + "." + name);
    return std::vector<double>(array.data<double>(), array.data<double>() + array.size());
  };
  EXPECT_LE(largest_difference(result.precision, expected("precision")), kEvaluationTolerance);
  EXPECT_LE(largest_difference(result.recall, expected("recall")), kEvaluationTolerance);
  EXPECT_LE(largest_difference(result.scores, expected("scores")), kEvaluationTolerance);

  const nlohmann::json summary = read_json(golden + "summary.json");
  const nlohmann::json& entry = summary["summary"][task];
  EXPECT_LE(largest_difference(result.stats, entry["stats"].get<std::vector<double>>()), kEvaluationTolerance);
  EXPECT_EQ(coco_summary_lines(result), entry["printed"].get<std::vector<std::string>>());
}

TEST_P(CocoEvalParity, NamesAndScalesMetricsAsDetectron2) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const std::string golden = folder + "/golden/h_cocoeval/";
  const std::string task = iou_type_name(GetParam());
  const TaskMetrics metrics =
      coco_metrics(evaluate_files(golden + "gt.json", golden + "results_" + task + ".json", GetParam()));
  const nlohmann::json summary = read_json(golden + "summary.json");
  const nlohmann::json& entry = summary["summary"][task];
  std::size_t compared = 0;
  for (const auto& [name, value] : entry["detectron2_results"].items()) {
    EXPECT_NEAR(metrics.value(name), value.get<double>(), 1e-10) << name;
    ++compared;
  }
  for (const auto& [name, value] : entry["per_category_AP_percent"].items()) {
    if (value.is_null()) {
      EXPECT_TRUE(std::isnan(metrics.value("AP-" + name))) << name;
    } else {
      EXPECT_NEAR(metrics.value("AP-" + name), value.get<double>(), 1e-10) << name;
    }
    ++compared;
  }
  EXPECT_EQ(compared, metrics.metrics.size());
}

INSTANTIATE_TEST_SUITE_P(EachTask, CocoEvalParity, ::testing::Values(IouType::bbox, IouType::segm, IouType::keypoints),
                         [](const auto& test) { return iou_type_name(test.param); });

TEST(CocoEvalFixture, GivesThePublishedNumbers) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const std::string fixture = folder + "/data/coco_eval_fixture/";
  const nlohmann::json expected = read_json(fixture + "expected.json");
  const auto compare = [&](const std::string& truth, const nlohmann::json& entry, IouType type) {
    const CocoEvalResult result = evaluate_files(fixture + truth, fixture + entry["dt"].get<std::string>(), type);
    EXPECT_LE(largest_difference(result.stats, entry["stats"].get<std::vector<double>>()), kEvaluationTolerance)
        << entry["dt"];
  };
  compare(expected["gt"], expected["bbox"], IouType::bbox);
  compare(expected["gt"], expected["segm"], IouType::segm);
  compare(expected["small_keypoints"]["gt"], expected["small_keypoints"], IouType::keypoints);
}

}  // namespace
}  // namespace fastermask
