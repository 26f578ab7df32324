// What the server answers, as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fastermask/embed/predictor.h"
#include "fastermask/serve/batcher.h"

namespace fastermask {

// A picture of a request and what was found in it.
struct PictureAnswer {
  std::string file_name;  // as the client called it; may be empty
  int height = 0;
  int width = 0;
  BatchedResult result;
};

// {"images": [{"file_name", "height", "width", "instances": [COCO result records], "queue_ms", "predict_ms"}]}.
// Instances that score less than `threshold` are left out. Records are those of `fastermask predict --json`.
std::string predictions_json(const std::vector<PictureAnswer>& pictures, const Predictor& predictor, double threshold);

// The model: {"classes", "score_threshold", "lowest_threshold", "max_body_bytes"}.
std::string model_json(const Predictor& predictor, double score_threshold, double lowest_threshold,
                       std::int64_t max_body_bytes);

// {"error": message}
std::string error_json(std::string_view message);

// One line of the access log, with its end: time, client, method, path, status, bytes in and out, seconds.
struct AccessRecord {
  std::string client, method, path;
  int status = 0;
  std::size_t bytes_in = 0, bytes_out = 0;
  double seconds = 0;
};
std::string access_log_line(const AccessRecord& record);

}  // namespace fastermask
