// Frames of video files, read and written by the codecs of OpenCV (which has FFmpeg's). OpenCV lives in a module of its
// own, libfastermask_video.so, which the first video loads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "fastermask/structures/image.h"

namespace fastermask {

struct VideoProperties {
  ImageSize size;                // upright
  double frames_per_second = 0;  // 0: unknown
  std::int64_t frame_count = 0;  // what the file announces, not always true; 0: unknown
};

// True for names that end as videos do (.mp4, .mov, .avi, .mkv, .webm, ...; any case).
bool has_video_ending(const std::string& path);

// True for those endings that VideoWriter takes: .mp4, .m4v, .mov, .mkv, .avi, .webm.
bool has_writable_video_ending(const std::string& path);

// Reads a video from its first frame to its last.
class VideoReader {
 public:
  // Throws DataError when the file is missing or holds no video that can be decoded, Error when the module (or a
  // library it needs) is not installed, with what to install.
  explicit VideoReader(const std::string& path);
  ~VideoReader();
  VideoReader(const VideoReader&) = delete;
  VideoReader& operator=(const VideoReader&) = delete;

  const VideoProperties& properties() const { return properties_; }

  // The next frame, BGR, into `frame`; false behind the last. Throws DataError for a frame of another size.
  bool read(Image& frame);

 private:
  std::string path_;
  VideoProperties properties_;
  void* reader_ = nullptr;
};

// Writes a video: H.264 (else MPEG-4) into .mp4, .m4v, .mov and .mkv, VP9 or VP8 into .webm, Motion JPEG into .avi.
// The file appears under its name when finish() has returned; until then, and after an error, it is beside it under
// another name or gone. No sound. Codecs of this kind want even sizes: an odd last row or column is cut off.
class VideoWriter {
 public:
  // Unknown frames_per_second become 25. Throws DataError when the file cannot be written or has another ending, Error
  // as VideoReader does.
  VideoWriter(std::string path, const VideoProperties& properties);
  ~VideoWriter();
  VideoWriter(const VideoWriter&) = delete;
  VideoWriter& operator=(const VideoWriter&) = delete;

  // Throws DataError for a frame that is not BGR of the video's size, or that cannot be written.
  void write(const Image& bgr);

  void finish();

 private:
  void close();

  std::string path_;
  std::string temporary_path_;
  ImageSize size_;
  void* writer_ = nullptr;
};

}  // namespace fastermask
