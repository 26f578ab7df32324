// libfastermask_video.so: the table of video_module.h on OpenCV's videoio, with its FFmpeg backend.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/videoio.hpp>
#include <string>
#include <vector>

#include "fastermask/video/video_module.h"

namespace {

struct Reader {
  cv::VideoCapture capture;
  cv::Mat frame;  // the first one when `waiting`
  bool waiting = true;
  std::int64_t frames = 0;  // handed out
  int height = 0;
  int width = 0;
};

struct Writer {
  cv::VideoWriter writer;
  int height = 0;
  int width = 0;
};

void tell(const std::string& reason, char* error, std::size_t error_size) {
  std::snprintf(error, error_size, "%s", reason.c_str());
}

// OpenCV and FFmpeg write to stderr by themselves; what matters is told by our errors. Whoever sets the variables gets
// their messages.
void quieten() {
  if (std::getenv("OPENCV_LOG_LEVEL") == nullptr) cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0);
  // A file must not make FFmpeg fetch others from the network.
  setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "protocol_whitelist;file", 0);
}

// What OpenCV throws becomes a reason.
template <class Result, class Work>
Result guarded(Result on_failure, char* error, std::size_t error_size, Work work) {
  try {
    return work();
  } catch (const std::exception& exception) {
    tell(exception.what(), error, error_size);
    return on_failure;
  }
}

double positive(double value) { return value > 0 && value < 1e9 ? value : 0; }

void* open_reader(const char* path, FasterMaskVideoProperties* properties, char* error, std::size_t error_size) {
  return guarded<void*>(nullptr, error, error_size, [&]() -> void* {
    quieten();
    auto reader = std::make_unique<Reader>();
    if (!reader->capture.open(path, cv::CAP_FFMPEG)) {
      tell("not a video that can be decoded", error, error_size);
      return nullptr;
    }
    // The size is that of a decoded frame: containers say it before rotation, or wrongly.
    if (!reader->capture.read(reader->frame) || reader->frame.empty()) {
      tell("no frame can be decoded", error, error_size);
      return nullptr;
    }
    if (reader->frame.type() != CV_8UC3) {
      tell("frames are not 8-bit colour", error, error_size);
      return nullptr;
    }
    reader->height = reader->frame.rows;
    reader->width = reader->frame.cols;
    properties->height = reader->height;
    properties->width = reader->width;
    properties->frames_per_second = positive(reader->capture.get(cv::CAP_PROP_FPS));
    properties->frame_count = static_cast<std::int64_t>(positive(reader->capture.get(cv::CAP_PROP_FRAME_COUNT)));
    return reader.release();
  });
}

int read_frame(void* handle, std::uint8_t* bgr, char* error, std::size_t error_size) {
  return guarded(-1, error, error_size, [&] {
    Reader& reader = *static_cast<Reader*>(handle);
    if (!reader.waiting && !reader.capture.read(reader.frame)) return 0;
    reader.waiting = false;
    const cv::Mat& frame = reader.frame;
    if (frame.rows != reader.height || frame.cols != reader.width || frame.type() != CV_8UC3) {
      tell(cv::format("frame %lld is of %dx%d pixels, those before it of %dx%d", static_cast<long long>(reader.frames),
                      frame.cols, frame.rows, reader.width, reader.height),
           error, error_size);
      return -1;
    }
    const std::size_t row_bytes = static_cast<std::size_t>(frame.cols) * 3;
    for (int y = 0; y < frame.rows; ++y)
      std::memcpy(bgr + static_cast<std::size_t>(y) * row_bytes, frame.ptr(y), row_bytes);
    ++reader.frames;
    return 1;
  });
}

void close_reader(void* reader) { delete static_cast<Reader*>(reader); }

// Codecs for a file's ending, best first; which of them are there depends on how FFmpeg was built.
std::vector<int> codecs_for(const std::string& path) {
  const auto ends = [&](const char* ending) {
    const std::size_t length = std::strlen(ending);
    return path.size() >= length &&
           std::equal(ending, ending + length, path.end() - static_cast<std::ptrdiff_t>(length),
                      [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
  };
  if (ends(".webm")) return {cv::VideoWriter::fourcc('V', 'P', '9', '0'), cv::VideoWriter::fourcc('V', 'P', '8', '0')};
  if (ends(".avi")) return {cv::VideoWriter::fourcc('M', 'J', 'P', 'G')};
  if (ends(".mkv")) return {cv::VideoWriter::fourcc('H', '2', '6', '4'), cv::VideoWriter::fourcc('X', 'V', 'I', 'D')};
  return {cv::VideoWriter::fourcc('a', 'v', 'c', '1'), cv::VideoWriter::fourcc('m', 'p', '4', 'v')};
}

void* open_writer(const char* path, const FasterMaskVideoProperties* properties, char* error, std::size_t error_size) {
  return guarded<void*>(nullptr, error, error_size, [&]() -> void* {
    quieten();
    auto writer = std::make_unique<Writer>();
    writer->height = properties->height;
    writer->width = properties->width;
    for (const int codec : codecs_for(path)) {
      if (writer->writer.open(path, cv::CAP_FFMPEG, codec, properties->frames_per_second,
                              cv::Size(writer->width & ~1, writer->height & ~1))) {
        return writer.release();
      }
    }
    tell("cannot be written: the folder, the space on the disk, or a codec for this kind of file is missing", error,
         error_size);
    return nullptr;
  });
}

int write_frame(void* handle, const std::uint8_t* bgr, char* error, std::size_t error_size) {
  return guarded(-1, error, error_size, [&] {
    Writer& writer = *static_cast<Writer*>(handle);
    const cv::Mat whole(writer.height, writer.width, CV_8UC3, const_cast<std::uint8_t*>(bgr));
    writer.writer.write(whole(cv::Rect(0, 0, writer.width & ~1, writer.height & ~1)));
    return 0;
  });
}

void close_writer(void* handle) { delete static_cast<Writer*>(handle); }

}  // namespace

extern "C" __attribute__((visibility("default"))) const FasterMaskVideoModule* fastermask_video_module() {
  static const FasterMaskVideoModule module = {kFasterMaskVideoAbi, open_reader, read_frame,  close_reader,
                                               open_writer,         write_frame, close_writer};
  return &module;
}
