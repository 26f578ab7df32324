// Detect objects in pictures from C++, with a model package that `fastermask compile` made. This header needs nothing
// but the standard library.
//
//   fastermask::Predictor predictor("model.fmm");
//   for (const auto& instance : predictor.predict({pixels, height, width})) ...
//
// Boxes and keypoints are in pixels of the picture, continuous: the first pixel spans [0, 1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace fastermask {

enum class PixelOrder { bgr, rgb };

// A picture in the caller's memory: 8-bit, three interleaved channels.
struct PictureView {
  const std::uint8_t* pixels = nullptr;
  int height = 0;
  int width = 0;
  PixelOrder order = PixelOrder::bgr;
  std::ptrdiff_t row_bytes = 0;  // from a row to the next; 0: 3 * width
};

struct PictureSize {
  int height = 0;
  int width = 0;
};

struct InstanceKeypoint {
  float x = 0;
  float y = 0;
  float score = 0;
};

// A mask as COCO's run lengths: pixels column by column, background first.
struct RunLengthMask {
  int height = 0;
  int width = 0;
  std::vector<std::uint32_t> runs;

  // One byte a pixel, row by row: 1 on the object.
  std::vector<std::uint8_t> pixels() const;
};

struct Instance {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  float score = 0;
  int class_index = 0;
  RunLengthMask mask;                       // of a model with masks, else of size 0
  std::vector<InstanceKeypoint> keypoints;  // of a model with keypoints
};

struct PredictorOptions {
  double score_threshold = 0.5;  // instances that score less are left out
  int threads = 0;               // compute threads of the whole process; 0: one a core
};

// A model ready to run. Thread-safe: several threads may share one, each call then has memory of its own; their results
// are those of a single thread. Copies share the model.
class Predictor {
 public:
  // Throws std::runtime_error (fastermask::Error) that says what is wrong with the package.
  explicit Predictor(const std::string& package, const PredictorOptions& options = {});
  ~Predictor();
  Predictor(const Predictor&);
  Predictor& operator=(const Predictor&);

  // Instances by falling score. Throws std::runtime_error for an impossible view.
  std::vector<Instance> predict(const PictureView& picture) const;

  // Several pictures at once, results in their order.
  std::vector<std::vector<Instance>> predict(const std::vector<PictureView>& pictures) const;

  // A picture in a file, or encoded in memory: JPEG, PNG or WebP; EXIF orientation is applied. `size`, when given,
  // receives the upright picture's.
  std::vector<Instance> predict_file(const std::string& path, PictureSize* size = nullptr) const;
  std::vector<Instance> predict_encoded(const void* bytes, std::size_t byte_count, PictureSize* size = nullptr) const;

  const std::vector<std::string>& class_names() const;
  const std::vector<std::int64_t>& category_ids() const;  // of the data set, by class index

  // Pairs of keypoint indices to join when keypoints are drawn; may be empty.
  const std::vector<std::pair<int, int>>& skeleton() const;

 private:
  struct Model;
  std::shared_ptr<const Model> model_;
};

// Pictures one after the other, such as a video's frames: a thread of the stream predicts while the caller fetches the
// next picture.
class PredictionStream {
 public:
  // At most `queue` pictures wait; push() then blocks.
  explicit PredictionStream(Predictor predictor, int queue = 2);
  ~PredictionStream();  // finishes what was pushed
  PredictionStream(const PredictionStream&) = delete;
  PredictionStream& operator=(const PredictionStream&) = delete;

  // Copies the picture. The future holds its instances, or what predict() threw. Any thread may push.
  std::future<std::vector<Instance>> push(const PictureView& picture);

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace fastermask
