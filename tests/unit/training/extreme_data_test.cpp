// Data that break trainings elsewhere: thousands of instances, boxes of a pixel, none at all, pictures like a line.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "fastermask/base/file.h"
#include "fastermask/base/random.h"
#include "fastermask/data/image_io.h"
#include "unit/training/scenes_fixture.h"

namespace fastermask {
namespace {

// Losses of every step.
class LossRecorder : public TrainerHook {
 public:
  explicit LossRecorder(std::vector<double>& losses) : losses_(losses) {}
  void after_step(Trainer&, const StepRecord& record) override { losses_.push_back(record.total_loss); }

 private:
  std::vector<double>& losses_;
};

class ExtremeData : public TrainingOverScenes {
 protected:
  // Trains two steps on pictures of these sizes with these annotations; all losses must be finite.
  void expect_trains(const std::string& name, const std::vector<ImageSize>& sizes, const nlohmann::json& annotations,
                     std::vector<std::string> more = {}) {
    const std::string folder = folder_ + "/" + name;
    make_folders(folder + "/images");
    nlohmann::json json = {{"images", nlohmann::json::array()}, {"annotations", annotations}};
    for (int c = 1; c <= 5; ++c) json["categories"].push_back({{"id", c}, {"name", fmt::format("class {}", c)}});
    Random random(1, RandomPurpose::test);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      Image image(sizes[i].height, sizes[i].width);
      for (auto& value : image.pixels) value = static_cast<std::uint8_t>(random.next_u32());
      const std::string file = fmt::format("{}.png", i + 1);
      write_image(folder + "/images/" + file, image);
      json["images"].push_back(
          {{"id", i + 1}, {"file_name", file}, {"height", sizes[i].height}, {"width", sizes[i].width}});
    }
    write_file_atomic(folder + "/a.json", json.dump());
    more.insert(more.end(), {"DATASETS.TRAIN", "('" + folder + "/a.json:" + folder + "/images',)", "SOLVER.MAX_ITER",
                             "2", "SOLVER.STEPS", "()", "SOLVER.BASE_LR", "0.001"});
    std::vector<double> losses;
    Trainer trainer(config_for(name + "_output", more), false);
    trainer.add_hook(std::make_unique<LossRecorder>(losses));
    trainer.train();
    ASSERT_EQ(losses.size(), 2u);
    for (const double loss : losses) EXPECT_TRUE(std::isfinite(loss)) << loss;
  }

  static nlohmann::json instance(int id, int image, double x, double y, double width, double height) {
    return {{"id", id},
            {"image_id", image},
            {"category_id", 1 + id % 5},
            {"bbox", {x, y, width, height}},
            {"area", width * height},
            {"iscrowd", 0},
            {"segmentation", {{x, y, x + width, y, x + width, y + height, x, y + height}}}};
  }
};

TEST_F(ExtremeData, ThousandsOfInstancesInAPicture) {
  nlohmann::json annotations = nlohmann::json::array();
  for (int i = 0; i < 4000; ++i) annotations.push_back(instance(i + 1, 1 + i % 2, i % 61, i / 61 % 59, 3, 4));
  expect_trains("thousands", {{64, 64}, {64, 64}}, annotations);
}

TEST_F(ExtremeData, BoxesOfAPixelAndLess) {
  nlohmann::json annotations = nlohmann::json::array();
  for (int i = 0; i < 8; ++i) annotations.push_back(instance(i + 1, 1 + i % 2, 5 + 3 * i, 7 + 5 * i, 1, 1));
  annotations.push_back(instance(9, 1, 63, 63, 1, 1));
  annotations.push_back(instance(10, 2, 10.25, 10.5, 0.25, 0.125));
  expect_trains("pixels", {{64, 64}, {64, 64}}, annotations);
}

TEST_F(ExtremeData, PicturesWithoutInstances) {
  expect_trains("empty", {{64, 64}, {64, 64}}, nlohmann::json::array({instance(1, 1, 10, 10, 20, 20)}),
                {"DATALOADER.FILTER_EMPTY_ANNOTATIONS", "False", "SEED", "3"});
}

TEST_F(ExtremeData, PicturesLikeALine) {
  nlohmann::json annotations = nlohmann::json::array(
      {instance(1, 1, 100, 0, 300, 1), instance(2, 2, 0, 100, 1, 300), instance(3, 1, 0, 0, 2000, 1)});
  expect_trains("lines", {{1, 2000}, {2000, 1}}, annotations);
  expect_trains("bands", {{8, 2000}, {2000, 8}}, annotations, {"INPUT.MAX_SIZE_TRAIN", "2000"});
}

}  // namespace
}  // namespace fastermask
