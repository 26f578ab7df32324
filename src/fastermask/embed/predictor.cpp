#include "fastermask/embed/predictor.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/parallel.h"
#include "fastermask/data/image_io.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/runtime/cpu_executor.h"
#include "fastermask/runtime/input_batch.h"
#include "fastermask/runtime/model_package.h"
#include "fastermask/runtime/region_settings.h"

namespace fastermask {
namespace {

// The view's pixels in the order that the network wants.
Image copy_picture(const PictureView& picture, PixelFormat format) {
  const std::ptrdiff_t row_bytes = picture.row_bytes == 0 ? std::ptrdiff_t{3} * picture.width : picture.row_bytes;
  const auto limit = kMaxImagePixels;
  if (picture.pixels == nullptr || picture.height <= 0 || picture.width <= 0 ||
      row_bytes < std::ptrdiff_t{3} * picture.width ||
      static_cast<std::int64_t>(picture.height) * picture.width > limit) {
    fail("predictor: impossible picture: {} x {} pixels, {} bytes a row", picture.height, picture.width, row_bytes);
  }
  Image image = Image::unset(picture.height, picture.width);
  for (int y = 0; y < picture.height; ++y)
    std::copy_n(picture.pixels + y * row_bytes, image.row_bytes(), image.row(y));
  return convert_pixels(std::move(image), picture.order == PixelOrder::rgb ? PixelFormat::rgb : PixelFormat::bgr,
                        format);
}

std::vector<Instance> to_instances(Detections detections) {
  std::vector<Instance> instances(detections.size());
  for (std::size_t d = 0; d < instances.size(); ++d) {
    Instance& instance = instances[d];
    const Box& box = detections.boxes[d];
    instance.x1 = box.x1;
    instance.y1 = box.y1;
    instance.x2 = box.x2;
    instance.y2 = box.y2;
    instance.score = detections.scores[d];
    instance.class_index = detections.classes[d];
    if (!detections.masks.empty()) {
      Rle& mask = detections.masks[d];
      instance.mask = {mask.height, mask.width, std::move(mask.counts)};
    }
    if (!detections.keypoints.empty()) {
      for (const Keypoint& point : detections.keypoints[d])
        instance.keypoints.push_back({point.x, point.y, point.visibility});
    }
  }
  return instances;
}

}  // namespace

std::vector<std::uint8_t> RunLengthMask::pixels() const { return rle_decode({height, width, runs}).pixels; }

struct Predictor::Model {
  Model(const std::string& path, const PredictorOptions& options) {
    set_num_threads(options.threads);
    ModelPackage package = load_model_package(path);
    config = package.config;
    keep_scores_of_at_least(config, options.score_threshold);
    classes = std::move(package.classes);
    format = parse_pixel_format(config.input.format);
    auto executor = std::make_shared<CpuExecutor>(build_network(config), package.weights, package.ranges);
    detector = std::make_unique<Detector>(std::move(executor), config);
  }

  std::vector<std::vector<Instance>> run(const std::vector<Image>& images) const {
    if (images.empty()) return {};
    const Batch batch = make_input_batch(images, config, detector->network().size_divisibility);
    std::vector<Detections> found = detector->detect(batch);
    std::vector<std::vector<Instance>> results;
    for (std::size_t i = 0; i < found.size(); ++i)
      results.push_back(to_instances(to_original_image(std::move(found[i]), images[i].size())));
    return results;
  }

  std::vector<Instance> run_one(Image image, PictureSize* size) const {
    if (size != nullptr) *size = {image.height, image.width};
    std::vector<Image> images;
    images.push_back(std::move(image));
    return std::move(run(images)[0]);
  }

  Config config;
  ClassList classes;
  PixelFormat format = PixelFormat::bgr;
  std::unique_ptr<const Detector> detector;
};

Predictor::Predictor(const std::string& package, const PredictorOptions& options)
    : model_(std::make_shared<const Model>(package, options)) {}
Predictor::~Predictor() = default;
Predictor::Predictor(const Predictor&) = default;
Predictor& Predictor::operator=(const Predictor&) = default;

std::vector<Instance> Predictor::predict(const PictureView& picture) const {
  return model_->run_one(copy_picture(picture, model_->format), nullptr);
}

std::vector<std::vector<Instance>> Predictor::predict(const std::vector<PictureView>& pictures) const {
  std::vector<Image> images;
  for (const PictureView& picture : pictures) images.push_back(copy_picture(picture, model_->format));
  return model_->run(images);
}

std::vector<Instance> Predictor::predict_file(const std::string& path, PictureSize* size) const {
  return model_->run_one(read_image(path, model_->format), size);
}

std::vector<Instance> Predictor::predict_encoded(const void* bytes, std::size_t byte_count, PictureSize* size) const {
  const std::string_view content(static_cast<const char*>(bytes), byte_count);
  return model_->run_one(decode_image(content, "picture in memory", model_->format), size);
}

const std::vector<std::string>& Predictor::class_names() const { return model_->classes.names; }
const std::vector<std::int64_t>& Predictor::category_ids() const { return model_->classes.category_ids; }
const std::vector<std::pair<int, int>>& Predictor::skeleton() const { return model_->classes.skeleton; }

// The thread of a stream and the pictures that wait for it.
class PredictionStream::Worker {
 public:
  Worker(Predictor predictor, int queue)
      : predictor_(std::move(predictor)), limit_(static_cast<std::size_t>(queue)), thread_([this] { work(); }) {}

  ~Worker() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  std::future<std::vector<Instance>> push(const PictureView& picture) {
    Job job;
    job.image = copy_picture(picture, PixelFormat::bgr);
    std::future<std::vector<Instance>> result = job.result.get_future();
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return jobs_.size() < limit_; });
      jobs_.push_back(std::move(job));
    }
    changed_.notify_all();
    return result;
  }

 private:
  struct Job {
    Image image;
    std::promise<std::vector<Instance>> result;
  };

  void work() {
    while (true) {
      Job job;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
        if (jobs_.empty()) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      changed_.notify_all();
      try {
        job.result.set_value(
            predictor_.predict({job.image.pixels.data(), job.image.height, job.image.width, PixelOrder::bgr}));
      } catch (...) {
        job.result.set_exception(std::current_exception());
      }
    }
  }

  Predictor predictor_;
  std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool ending_ = false;
  std::thread thread_;  // last: it uses the others
};

PredictionStream::PredictionStream(Predictor predictor, int queue) {
  if (queue < 1) fail("predictor: a stream's queue must hold at least one picture, got {}", queue);
  worker_ = std::make_unique<Worker>(std::move(predictor), queue);
}
PredictionStream::~PredictionStream() = default;

std::future<std::vector<Instance>> PredictionStream::push(const PictureView& picture) { return worker_->push(picture); }

}  // namespace fastermask
