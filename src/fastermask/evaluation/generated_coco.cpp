#include "fastermask/evaluation/generated_coco.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "fastermask/base/random.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

// A closed wavy outline that fills the box.
Polygon wavy_outline(Random& random, const std::array<double, 4>& xywh) {
  const int points = 24 + static_cast<int>(random.uniform_int(40));
  const double waves = 2 + static_cast<double>(random.uniform_int(6));
  const double depth = random.uniform(0.0, 0.35);
  Polygon outline;
  for (int i = 0; i < points; ++i) {
    const double angle = 2 * 3.14159265358979 * i / points;
    const double radius = 1 - depth * (0.5 + 0.5 * std::cos(waves * angle));
    const double x = xywh[0] + xywh[2] * (0.5 + 0.5 * radius * std::cos(angle));
    const double y = xywh[1] + xywh[3] * (0.5 + 0.5 * radius * std::sin(angle));
    outline.push_back(std::round(x * 100) / 100);
    outline.push_back(std::round(y * 100) / 100);
  }
  return outline;
}

double outline_area(const Polygon& outline) {
  double sum = 0;
  for (std::size_t i = 0; i < outline.size(); i += 2) {
    const std::size_t next = (i + 2) % outline.size();
    sum += outline[i] * outline[next + 1] - outline[next] * outline[i + 1];
  }
  return std::abs(sum) / 2;
}

std::string number_list(const std::vector<double>& numbers) {
  std::string text = "[";
  for (const double number : numbers) text += fmt::format("{}{}", text.size() > 1 ? ", " : "", number);
  return text + "]";
}

}  // namespace

GeneratedSet generate_set(int object_count, std::uint64_t seed) {
  GeneratedSet set;
  Random random(seed, RandomPurpose::test);
  for (int i = 0; i < object_count; ++i) {
    GeneratedObject object;
    object.image = static_cast<std::size_t>(random.uniform_int(set.images));
    Random place(seed, RandomPurpose::test, object.image + 1, static_cast<std::uint64_t>(random.uniform_int(3)));
    object.category = static_cast<int>(place.uniform_int(set.categories));
    const double side = 8 * std::exp(random.uniform(0, 3.8));
    const double ratio = std::exp(random.uniform(-0.7, 0.7));
    const double w = std::min(side * ratio, set.width - 2.0);
    const double h = std::min(side / ratio, set.height - 2.0);
    object.xywh = {random.uniform(0, set.width - w), random.uniform(0, set.height - h), w, h};
    object.outline = wavy_outline(random, object.xywh);
    object.crowd = random.bernoulli(0.012);
    set.objects.push_back(std::move(object));
  }
  return set;
}

std::string truth_text(const GeneratedSet& set) {
  std::string text = "{\"images\": [";
  for (int i = 0; i < set.images; ++i) {
    text += fmt::format("{}{{\"id\": {}, \"height\": {}, \"width\": {}}}", i == 0 ? "" : ", ", 100 + 7 * i, set.height,
                        set.width);
  }
  text += "], \"categories\": [";
  for (int i = 0; i < set.categories; ++i)
    text += fmt::format("{}{{\"id\": {}, \"name\": \"c{}\"}}", i == 0 ? "" : ", ", i + 1, i);
  text += "], \"annotations\": [";
  for (std::size_t i = 0; i < set.objects.size(); ++i) {
    const GeneratedObject& object = set.objects[i];
    std::string segmentation = "[" + number_list(object.outline) + "]";
    if (object.crowd) {
      const Rle mask = polygon_to_rle(object.outline, set.height, set.width);
      segmentation = fmt::format("{{\"size\": [{}, {}], \"counts\": {}}}", set.height, set.width,
                                 number_list({mask.counts.begin(), mask.counts.end()}));
    }
    text += fmt::format(
        "{}{{\"id\": {}, \"image_id\": {}, \"category_id\": {}, \"iscrowd\": {}, \"area\": {}, \"bbox\": {}, "
        "\"segmentation\": {}}}",
        i == 0 ? "" : ", ", i + 1, 100 + 7 * object.image, object.category + 1, object.crowd ? 1 : 0,
        outline_area(object.outline), number_list({object.xywh.begin(), object.xywh.end()}), segmentation);
  }
  return text + "]}";
}

std::vector<DetectionRecord> generate_detections(const GeneratedSet& set, std::size_t count, bool masks,
                                                 std::uint64_t seed) {
  std::vector<std::size_t> order(set.objects.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return set.objects[a].image < set.objects[b].image; });
  std::vector<DetectionRecord> records;
  for (std::size_t i = 0; i < count; ++i) {
    const GeneratedObject& object = set.objects[order[i * order.size() / count]];
    Random random(seed, RandomPurpose::test, i);
    const double noise = random.bernoulli(0.6) ? 0.05 : 0.4;
    DetectionRecord record;
    record.image_id = static_cast<std::int64_t>(100 + 7 * object.image);
    record.category = random.bernoulli(0.85) ? object.category : static_cast<int>(random.uniform_int(set.categories));
    record.score = std::round(1e6 * random.uniform() * (noise < 0.1 ? 1 : 0.5)) / 1e6;
    const double dx = noise * random.normal() * object.xywh[2], dy = noise * random.normal() * object.xywh[3];
    const double sx = std::exp(noise * random.normal()), sy = std::exp(noise * random.normal());
    const auto move_x = [&](double x) { return object.xywh[0] + dx + (x - object.xywh[0]) * sx; };
    const auto move_y = [&](double y) { return object.xywh[1] + dy + (y - object.xywh[1]) * sy; };
    record.xywh = {move_x(object.xywh[0]), move_y(object.xywh[1]), object.xywh[2] * sx, object.xywh[3] * sy};
    for (double& number : record.xywh) number = static_cast<double>(static_cast<float>(number));
    record.has_box = true;
    if (masks) {
      Polygon outline = object.outline;
      for (std::size_t k = 0; k < outline.size(); k += 2) {
        outline[k] = move_x(outline[k]);
        outline[k + 1] = move_y(outline[k + 1]);
      }
      record.mask = polygon_to_rle(outline, set.height, set.width);
    }
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace fastermask
