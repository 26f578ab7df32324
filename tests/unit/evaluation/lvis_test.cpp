// LVIS's rules against the plain evaluation, and its figures by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "fastermask/base/error.h"
#include "fastermask/evaluation/lvis_summary.h"
#include "unit/evaluation/random_case.h"
#include "unit/evaluation/small_truth.h"

namespace fastermask {
namespace {

using testing_support::message_of;
using testing_support::RandomCase;
using testing_support::small_truth;
using testing_support::small_truth_json;

using CellSet = std::set<std::pair<std::int64_t, std::int64_t>>;  // (image id, category id)

// Federated lists for a random case, as JSON text; `absent` and `incomplete` tell what they say.
std::string federated_truth(Random& random, const RandomCase& made, CellSet& absent, CellSet& incomplete) {
  nlohmann::json file = nlohmann::json::parse(testing_support::truth_json(made));
  for (nlohmann::json& image : file["images"]) {
    image["neg_category_ids"] = image["not_exhaustive_category_ids"] = nlohmann::json::array();
    for (const std::int64_t category : made.category_ids) {
      const std::int64_t id = image["id"];
      if (random.bernoulli(0.4) && absent.insert({id, category}).second) image["neg_category_ids"].push_back(category);
      if (random.bernoulli(0.4) && incomplete.insert({id, category}).second) {
        image["not_exhaustive_category_ids"].push_back(category);
      }
    }
  }
  return file.dump();
}

// What of the detections LVIS looks at, one rule after the other.
std::vector<plain::Instance> counted_detections(const RandomCase& made, std::size_t limit, const CellSet& absent,
                                                const CellSet& incomplete) {
  std::vector<plain::Instance> counted;
  for (const std::int64_t image : made.image_ids) {
    std::vector<plain::Instance> best;
    for (const plain::Instance& detection : made.detections) {
      if (detection.image_id == image) best.push_back(detection);
    }
    std::stable_sort(best.begin(), best.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
    if (best.size() > limit) best.resize(limit);
    for (plain::Instance& detection : best) {
      bool looked_for = absent.count({image, detection.category_id}) > 0;
      for (const plain::Instance& truth : made.truths) {
        looked_for = looked_for || (truth.image_id == image && truth.category_id == detection.category_id);
      }
      detection.excused = incomplete.count({image, detection.category_id}) > 0;
      if (looked_for) counted.push_back(detection);
    }
  }
  return counted;
}

TEST(Lvis, EqualsThePlainEvaluationOnRandomCases) {
  int differing = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const IouType type = seed % 2 == 0 ? IouType::bbox : IouType::segm;
    RandomCase made = testing_support::make_random_case(seed, type);
    for (plain::Instance& truth : made.truths) truth.crowd = false;
    testing_support::set_detection_areas(made);
    Random random(seed, RandomPurpose::test, 77);
    CellSet absent, incomplete;
    const std::string json = federated_truth(random, made, absent, incomplete);
    made.params.use_categories = made.settings.use_categories = true;
    made.params.image_ids.clear();
    made.settings.image_ids = made.image_ids;
    made.params.federated = true;
    made.params.max_detections_per_image = 6;
    const plain::Result expected =
        plain::evaluate(made.truths, counted_detections(made, 6, absent, incomplete), made.settings);
    const auto truth = std::make_shared<const CocoGroundTruth>(CocoGroundTruth::parse(json, "case"));
    const auto records = parse_results_json(testing_support::results_json(made), "case", *truth, type);
    CocoEvaluator evaluator(truth, made.params);
    evaluator.add_all(records);
    const CocoEvalResult result = evaluator.evaluate();
    ASSERT_EQ(result.precision.size(), expected.precision.size());
    for (std::size_t i = 0; i < result.precision.size(); ++i) {
      ASSERT_NEAR(result.precision[i], expected.precision[i], 1e-12) << "seed " << seed;
    }
    for (std::size_t i = 0; i < result.recall.size(); ++i)
      ASSERT_NEAR(result.recall[i], expected.recall[i], 1e-12) << seed;
    made.params.federated = false;
    made.params.max_detections_per_image = 0;
    CocoEvaluator plain_rules(truth, made.params);
    plain_rules.add_all(records);
    differing += plain_rules.evaluate().precision != result.precision;
  }
  EXPECT_GT(differing, 100);  // or the comparison says little
}

nlohmann::json lvis_truth_json() {
  nlohmann::json json = small_truth_json();
  for (nlohmann::json& image : json["images"]) {
    image["neg_category_ids"] = nlohmann::json::array();
    image["not_exhaustive_category_ids"] = nlohmann::json::array();
  }
  json["categories"][0]["frequency"] = "r";  // dog
  json["categories"][1]["frequency"] = "f";  // cat
  return json;
}

DetectionRecord lvis_record(std::int64_t image_id, int category, std::array<double, 4> xywh, double score) {
  DetectionRecord record;
  record.image_id = image_id;
  record.category = category;
  record.xywh = xywh;
  record.has_box = true;
  record.score = score;
  return record;
}

TEST(Lvis, SumsUpByFrequency) {
  const auto truth =
      std::make_shared<const CocoGroundTruth>(CocoGroundTruth::parse(lvis_truth_json().dump(), "gt.json"));
  CocoEvaluator evaluator(truth, CocoEvalParams::lvis(IouType::bbox));
  // The cat is found; the dog is not. Image 9 was never searched for either.
  evaluator.add_all(
      std::vector<DetectionRecord>{lvis_record(7, 0, {1, 1, 6, 6}, 0.5), lvis_record(9, 0, {1, 1, 6, 6}, 0.9)});
  const CocoEvalResult result = evaluator.evaluate();
  const TaskMetrics metrics = lvis_metrics(result, truth->category_frequencies());
  EXPECT_NEAR(metrics.value("AP"), 50, 1e-9);
  EXPECT_NEAR(metrics.value("APf"), 100, 1e-9);
  EXPECT_NEAR(metrics.value("APr"), 0, 1e-9);
  EXPECT_TRUE(std::isnan(metrics.value("APc")));
  EXPECT_NEAR(metrics.value("AR"), 50, 1e-9);
  const std::vector<std::string> lines = lvis_summary_lines(result, truth->category_frequencies());
  ASSERT_EQ(lines.size(), 13u);
  EXPECT_EQ(lines[0], " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=300 catIds=all] = 0.500");
  EXPECT_EQ(lines[3], " Average Precision  (AP) @[ IoU=0.50:0.95 | area=     s | maxDets=300 catIds=all] = 0.500");
  EXPECT_EQ(lines[8], " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=300 catIds=  f] = 1.000");
}

TEST(Lvis, DoesNotPunishWhereAnnotationsAreIncomplete) {
  nlohmann::json json = lvis_truth_json();
  const std::vector<DetectionRecord> records = {lvis_record(7, 0, {12, 1, 6, 6}, 0.9),
                                                lvis_record(7, 0, {1, 1, 6, 6}, 0.5)};
  for (const bool incomplete : {false, true}) {
    if (incomplete) json["images"][1]["not_exhaustive_category_ids"] = {3};
    const auto truth = std::make_shared<const CocoGroundTruth>(CocoGroundTruth::parse(json.dump(), "gt.json"));
    CocoEvaluator evaluator(truth, CocoEvalParams::lvis(IouType::bbox));
    evaluator.add_all(records);
    EXPECT_NEAR(lvis_metrics(evaluator.evaluate(), truth->category_frequencies()).value("APf"), incomplete ? 100 : 50,
                1e-9);
  }
}

TEST(Lvis, RefusesWhatIsNotLvis) {
  EXPECT_EQ(message_of<DataError>([] { CocoEvaluator(small_truth(), CocoEvalParams::lvis(IouType::bbox)); }),
            "ground truth: gt.json: no image has neg_category_ids, which LVIS's evaluation needs");
  nlohmann::json json = lvis_truth_json();
  json["images"][0]["neg_category_ids"] = {4};
  EXPECT_EQ(message_of<DataError>([&] { CocoGroundTruth::parse(json.dump(), "gt.json"); }),
            "ground truth: gt.json: image 9: neg_category_ids: 4 is not among the 2 categories of the file");
  json = lvis_truth_json();
  json["categories"][0]["frequency"] = "often";
  EXPECT_EQ(message_of<DataError>([&] { CocoGroundTruth::parse(json.dump(), "gt.json"); }),
            "ground truth: gt.json: category 5: frequency must be r, c or f, got 'often'");
}

}  // namespace
}  // namespace fastermask
