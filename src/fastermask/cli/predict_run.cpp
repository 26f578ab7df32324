#include "fastermask/cli/predict_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/progress.h"
#include "fastermask/cli/stop_signal.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/report/draw.h"
#include "fastermask/runtime/input_batch.h"
#include "fastermask/weights/npz.h"

namespace fastermask::cli {
namespace {

constexpr const char* kPredictRun = "predict";

// Pixels of network input that keep the cores busy: more of them at a time gain nothing and take memory.
constexpr double kBusyPixels = 512.0 * 512.0;
constexpr double kMaxAutomaticBatch = 8;

// Pictures at a time when the user does not say: as many as kBusyPixels hold.
std::size_t automatic_batch(const Config& config) {
  const double side = config.input.min_size_test > 0 ? config.input.min_size_test : config.input.max_size_test;
  return static_cast<std::size_t>(std::clamp(kBusyPixels / std::max(1.0, side * side), 1.0, kMaxAutomaticBatch));
}

// The detections that score at least `threshold`; they are in falling order of score.
Detections above_threshold(Detections detections, double threshold) {
  std::size_t count = 0;
  while (count < detections.size() && detections.scores[count] >= threshold) ++count;
  detections.boxes.resize(count);
  detections.scores.resize(count);
  detections.classes.resize(count);
  if (!detections.masks.empty()) detections.masks.resize(count);
  if (!detections.keypoints.empty()) detections.keypoints.resize(count);
  return detections;
}

}  // namespace

// What comes of a video beside the lines and files of its frames.
struct PredictRun::VideoResult {
  std::string name;  // the output's file name
  double frames_per_second = 0;
  std::unique_ptr<VideoWriter> drawn;  // made with the first frame, which has the size
};

struct PredictRun::Picture {
  std::string file;
  std::string name;  // of its files in the output
  Image image;       // as the network wants it
  Image bgr;         // of frames; pictures are read anew when they are drawn
  int frame = -1;    // of a video, from 0
  double seconds = 0;
  VideoResult* video = nullptr;
};

PredictRun::PredictRun(const PredictRunOptions& options, const Config& config, std::unique_ptr<Detector> detector,
                       ClassList classes)
    : options_(options),
      config_(config),
      detector_(std::move(detector)),
      classes_(std::move(classes)),
      format_(parse_pixel_format(config.input.format)),
      output_files_(options.files, classes_),
      batch_limit_(options.batch > 0 ? static_cast<std::size_t>(options.batch) : automatic_batch(config)) {}

PredictRun::~PredictRun() = default;

// The file's own name, numbered when folders bring the same name twice. The files beside drawings have endings of their
// own, so that names must then differ before it, too.
std::string PredictRun::next_name(const std::string& file) {
  const std::filesystem::path path(file);
  const auto is_new = [this](const std::string& name) {
    return used_names_.insert(options_.files.any() ? std::filesystem::path(name).stem().string() : name).second;
  };
  std::string name = path.filename().string();
  for (int number = 2; !is_new(name); ++number) {
    name = fmt::format("{}-{}{}", path.stem().string(), number, path.extension().string());
  }
  return name;
}

// Pictures of different sizes are padded to the largest, which can change what is found at their edges. That is for
// the user to choose: without --batch, only pictures of one size go together, and the result is that of each alone.
bool PredictRun::starts_new_batch(const Picture& picture) const {
  return options_.batch == 0 && !batch_.empty() && !(batch_.back().image.size() == picture.image.size());
}

void PredictRun::add(Picture picture) {
  if (starts_new_batch(picture)) process();
  batch_.push_back(std::move(picture));
  if (batch_.size() >= batch_limit_) process();
}

void PredictRun::add_picture(const std::string& file) {
  Picture picture;
  picture.image = read_image(file, format_);
  picture.file = file;
  // Pictures are known by their content, whatever they are called.
  picture.name = next_name(has_image_ending(file) ? file : file + ".jpg");
  add(std::move(picture));
  ++pictures_;
}

void PredictRun::add_video(const std::string& file) {
  process();  // frames of a video are not mixed with other pictures
  VideoReader reader(file);
  std::filesystem::path name(file);
  if (!has_writable_video_ending(file)) name.replace_extension(".mp4");
  VideoResult result{next_name(name.string()), reader.properties().frames_per_second / options_.every, nullptr};
  try {
    read_video(reader, file, result);
  } catch (const DataError&) {
    process();
    if (result.drawn != nullptr) result.drawn->finish();
    throw;
  }
  process();
  if (result.drawn != nullptr) result.drawn->finish();
}

void PredictRun::read_video(VideoReader& reader, const std::string& file, VideoResult& result) {
  const auto start = std::chrono::steady_clock::now();
  const VideoProperties& properties = reader.properties();
  const std::string stem = std::filesystem::path(result.name).stem().string();
  ProgressBar bar(std::filesystem::path(file).filename().string(), properties.frame_count);
  int number = 0;
  std::size_t taken = 0;
  for (Image frame; !stop_was_asked() && reader.read(frame); ++number) {
    bar.update(number + 1);
    if (number % options_.every != 0) continue;
    Picture picture;
    picture.file = file;
    picture.name = fmt::format("{}-{:06}.jpg", stem, number);
    picture.image = convert_pixels(frame, PixelFormat::bgr, format_);
    picture.bgr = std::move(frame);
    picture.frame = number;
    picture.seconds = properties.frames_per_second > 0 ? number / properties.frames_per_second : 0;
    picture.video = &result;
    add(std::move(picture));
    ++taken;
  }
  process();
  frames_ += taken;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  log_info(kPredictRun, "{}: {} frames of {}x{} pixels in {:.1f} s, {:.2f} frames/s", file, taken, properties.size.width,
           properties.size.height, seconds, static_cast<double>(taken) / seconds);
  if (!stop_was_asked() && number < properties.frame_count) {
    log_warning(kPredictRun, "{}: ended after {} frames, although its head announces {}; it may be damaged", file, number,
                properties.frame_count);
  }
}

void PredictRun::process() {
  if (batch_.empty()) return;
  const std::vector<Picture> pictures = std::move(batch_);
  batch_.clear();
  std::vector<Image> images;
  for (const Picture& picture : pictures) images.push_back(picture.image);
  const Batch batch = make_input_batch(images, config_, detector_->network().size_divisibility);
  NamedArrays dump;
  std::vector<Detections> found = detector_->detect(batch, options_.dump.empty() ? nullptr : &dump);
  if (!options_.dump.empty()) save_npz(options_.dump, dump);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const Detections detections =
        above_threshold(to_original_image(std::move(found[i]), images[i].size()), options_.score_threshold);
    if (options_.json) append_records(pictures[i], detections);
    if (!options_.output.empty() || options_.files.any()) try_write_files(pictures[i], detections);
    detections_ += detections.size();
  }
}

// What cannot be written of one picture does not stop the others; a video ends with its first such frame.
void PredictRun::try_write_files(const Picture& picture, const Detections& detections) {
  try {
    write_files(picture, detections);
  } catch (const Error& error) {
    if (picture.video != nullptr) throw;
    add_failure(error.what());
  }
}

// COCO result records, with the file's name, and frame and time where it is a video.
void PredictRun::append_records(const Picture& picture, const Detections& detections) {
  for (std::size_t d = 0; d < detections.size(); ++d) {
    const Box& box = detections.boxes[d];
    const auto index = static_cast<std::size_t>(detections.classes[d]);
    nlohmann::json record = {{"file_name", picture.file},
                             {"category_id", classes_.category_ids[index]},
                             {"category", classes_.names[index]},
                             {"bbox", {box.x1, box.y1, box.width(), box.height()}},
                             {"score", detections.scores[d]}};
    if (picture.video != nullptr) {
      record["frame"] = picture.frame;
      record["seconds"] = picture.seconds;
    }
    if (!detections.masks.empty()) {
      const Rle& mask = detections.masks[d];
      record["segmentation"] = {{"size", {mask.height, mask.width}}, {"counts", rle_to_string(mask)}};
    }
    if (!detections.keypoints.empty()) {
      nlohmann::json& points = record["keypoints"] = nlohmann::json::array();
      for (const Keypoint& point : detections.keypoints[d]) {
        points.insert(points.end(), {point.x - 0.5f, point.y - 0.5f, point.visibility});
      }
    }
    if (!records_.empty()) records_ += ',';
    records_ += record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
}

Image PredictRun::draw(const Image& image, const Detections& detections) const {
  DrawOptions options;
  options.skeleton = classes_.skeleton;
  return draw_detections(image, detections, classes_.names, options);
}

void PredictRun::write_files(const Picture& picture, const Detections& detections) {
  const Image read = picture.video == nullptr ? read_image(picture.file) : Image();
  const Image& image = picture.video == nullptr ? read : picture.bgr;
  if (options_.files.any()) output_files_.add({picture.file, picture.name, picture.frame}, image, detections);
  if (options_.output.empty()) return;
  const Image drawn = draw(image, detections);
  if (picture.video == nullptr) {
    write_image(join_path(options_.output, picture.name), drawn);
    return;
  }
  VideoResult& video = *picture.video;
  if (video.drawn == nullptr) {
    video.drawn = std::make_unique<VideoWriter>(join_path(options_.output, video.name),
                                                VideoProperties{drawn.size(), video.frames_per_second, 0});
  }
  video.drawn->write(drawn);
}

void PredictRun::finish() {
  process();
  if (options_.json) fmt::print("[{}]\n", records_);
  output_files_.finish();
}

void PredictRun::log_totals() const {
  const std::string frames = frames_ > 0 ? fmt::format(" and {} frames of videos", frames_) : "";
  log_info(kPredictRun, "{} detections with a score of at least {} in {} pictures{}", detections_,
           options_.score_threshold, pictures_, frames);
  if (!options_.output.empty()) log_info(kPredictRun, "Pictures are in {}", options_.output);
}

}  // namespace fastermask::cli
