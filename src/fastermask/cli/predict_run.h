// What `fastermask predict` does with pictures and the frames of videos: detects, some at a time, and writes what was
// asked for.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fastermask/cli/predict_files.h"
#include "fastermask/config/config.h"
#include "fastermask/data/class_list.h"
#include "fastermask/data/image_io.h"
#include "fastermask/runtime/detector.h"
#include "fastermask/video/video.h"

namespace fastermask::cli {

struct PredictRunOptions {
  std::string output;            // folder of drawn pictures and videos; empty: none
  double score_threshold = 0.5;  // detections that score less are left out
  int batch = 0;                 // pictures at a time; 0: several of one size where the network's input is small
  int every = 1;                 // of a video's frames, each so many-th
  bool json = false;             // records on stdout at the end
  std::string dump;              // .npz file of a single picture's intermediates; empty: none
  PredictFileOptions files;
};

class PredictRun {
 public:
  // `options` and `config` must outlive the run.
  PredictRun(const PredictRunOptions& options, const Config& config, std::unique_ptr<Detector> detector,
             ClassList classes);
  ~PredictRun();  // where Picture is known

  // Takes a picture in; it is worked on once a batch is full. Throws DataError when it cannot be read.
  void add_picture(const std::string& file);

  // Works through a video, until Ctrl-C. Throws DataError when it cannot be read (any further), after finishing what
  // comes of the frames before; and Error when the video module is missing.
  void add_video(const std::string& file);

  // Works on what is left, prints the records and writes the table.
  void finish();

  // What went wrong with single files: what the caller adds, and output that could not be written.
  void add_failure(std::string message) { failures_.push_back(std::move(message)); }
  const std::vector<std::string>& failures() const { return failures_; }

  void log_totals() const;

 private:
  struct Picture;
  struct VideoResult;

  void add(Picture picture);
  bool starts_new_batch(const Picture& picture) const;
  void process();
  void try_write_files(const Picture& picture, const Detections& detections);
  void write_files(const Picture& picture, const Detections& detections);
  void read_video(VideoReader& reader, const std::string& file, VideoResult& result);
  std::string next_name(const std::string& file);
  void append_records(const Picture& picture, const Detections& detections);
  Image draw(const Image& image, const Detections& detections) const;

  const PredictRunOptions& options_;
  const Config& config_;
  std::unique_ptr<Detector> detector_;
  ClassList classes_;
  PixelFormat format_;
  PredictFiles output_files_;
  std::set<std::string> used_names_;
  std::vector<std::string> failures_;
  std::size_t batch_limit_;
  std::vector<Picture> batch_;
  std::string records_;  // JSON objects, a comma between them
  std::size_t detections_ = 0;
  std::size_t pictures_ = 0;
  std::size_t frames_ = 0;
};

}  // namespace fastermask::cli
