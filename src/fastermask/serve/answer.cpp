#include "fastermask/serve/answer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

std::string dump_json(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

double milliseconds(double seconds) { return std::round(seconds * 1e4) / 10; }

nlohmann::ordered_json instance_record(const Instance& instance, const Predictor& predictor) {
  const auto index = static_cast<std::size_t>(instance.class_index);
  nlohmann::ordered_json record = {
      {"category_id", predictor.category_ids()[index]},
      {"category", predictor.class_names()[index]},
      {"bbox", {instance.x1, instance.y1, instance.x2 - instance.x1, instance.y2 - instance.y1}},
      {"score", instance.score}};
  if (!instance.mask.runs.empty()) {
    const RunLengthMask& mask = instance.mask;
    record["segmentation"] = {{"size", {mask.height, mask.width}},
                              {"counts", rle_to_string({mask.height, mask.width, mask.runs})}};
  }
  if (!instance.keypoints.empty()) {
    nlohmann::ordered_json& points = record["keypoints"] = nlohmann::ordered_json::array();
    for (const InstanceKeypoint& point : instance.keypoints) {
      for (const float value : {point.x - 0.5f, point.y - 0.5f, point.score}) points.push_back(value);
    }
  }
  return record;
}

}  // namespace

std::string predictions_json(const std::vector<PictureAnswer>& pictures, const Predictor& predictor, double threshold) {
  nlohmann::ordered_json images = nlohmann::ordered_json::array();
  for (const PictureAnswer& picture : pictures) {
    nlohmann::ordered_json instances = nlohmann::ordered_json::array();
    for (const Instance& instance : picture.result.instances) {
      if (instance.score >= threshold) instances.push_back(instance_record(instance, predictor));
    }
    images.push_back({{"file_name", picture.file_name},
                      {"height", picture.height},
                      {"width", picture.width},
                      {"instances", std::move(instances)},
                      {"queue_ms", milliseconds(picture.result.queue_seconds)},
                      {"predict_ms", milliseconds(picture.result.predict_seconds)}});
  }
  return dump_json({{"images", std::move(images)}});
}

std::string model_json(const Predictor& predictor, double score_threshold, double lowest_threshold,
                       std::int64_t max_body_bytes) {
  return dump_json({{"classes", predictor.class_names()},
                    {"skeleton", predictor.skeleton()},
                    {"score_threshold", score_threshold},
                    {"lowest_threshold", lowest_threshold},
                    {"max_body_bytes", max_body_bytes}});
}

std::string error_json(std::string_view message) { return dump_json({{"error", message}}); }

std::string access_log_line(const AccessRecord& record) {
  const auto now = std::chrono::system_clock::now();
  const auto seconds = std::chrono::time_point_cast<std::chrono::seconds>(now);
  const auto thousandths = std::chrono::duration_cast<std::chrono::milliseconds>(now - seconds).count();
  const std::string time = fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                                       fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)), thousandths);
  return dump_json({{"time", time},
                    {"client", record.client},
                    {"method", record.method},
                    {"path", record.path},
                    {"status", record.status},
                    {"bytes_in", record.bytes_in},
                    {"bytes_out", record.bytes_out},
                    {"ms", milliseconds(record.seconds)}});
}

}  // namespace fastermask
