#include "fastermask/video/video.h"

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/text.h"
#include "fastermask/video/video_module.h"

namespace fastermask {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModuleName = "libfastermask_video.so";
constexpr double kDefaultFramesPerSecond = 25;

using Reason = std::array<char, 512>;

// Where the module may be: the user's choice, beside the program's build, where it was installed.
std::vector<std::string> module_paths() {
  if (const char* chosen = std::getenv("FASTERMASK_VIDEO_MODULE")) return {expand_user(chosen)};
  std::error_code ignored;
  const fs::path prefix = fs::read_symlink("/proc/self/exe", ignored).parent_path().parent_path();
  return {(prefix / "lib" / "fastermask" / kModuleName).string(),
          (prefix / FASTERMASK_LIBRARY_FOLDER / "fastermask" / kModuleName).string()};
}

const FasterMaskVideoModule* load_video_module() {
  const std::vector<std::string> paths = module_paths();
  for (const std::string& path : paths) {
    if (!is_file(path)) continue;
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      fail("video: {} cannot be loaded: {}; is OpenCV installed (Debian: libopencv-videoio406)?", path, dlerror());
    }
    const auto entry = reinterpret_cast<FasterMaskVideoEntry>(dlsym(library, kFasterMaskVideoSymbol));
    if (entry == nullptr) fail("video: {} is not a video module: it lacks {}", path, kFasterMaskVideoSymbol);
    const FasterMaskVideoModule* module = entry();
    if (module->abi != kFasterMaskVideoAbi) {
      fail("video: {} has interface {}, this program needs {}; install the module of the program's own version", path,
           module->abi, kFasterMaskVideoAbi);
    }
    return module;
  }
  fail(
      "video: videos need {}, which is not at {}; install the package fastermask-video, or build FasterMask where "
      "OpenCV is (Debian: libopencv-videoio-dev)",
      kModuleName, join(paths, " or "));
}

// Loaded once; a failure is tried again with the next video.
const FasterMaskVideoModule& video_module() {
  static const FasterMaskVideoModule* const module = load_video_module();
  return *module;
}

bool has_ending(const std::string& path, std::initializer_list<const char*> endings) {
  const std::string name = to_lower(path);
  for (const char* ending : endings) {
    if (ends_with(name, ending)) return true;
  }
  return false;
}

// "clip.mp4" -> "clip.unfinished-1234.mp4": codecs go by the ending.
std::string unfinished_path(const std::string& path) {
  const fs::path whole(path);
  fs::path name = whole.stem();
  name += fmt::format(".unfinished-{}", getpid());
  name += whole.extension();
  return (whole.parent_path() / name).string();
}

}  // namespace

bool has_video_ending(const std::string& path) {
  return has_writable_video_ending(path) ||
         has_ending(path, {".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".3gp", ".ts", ".mts", ".m2ts"});
}

bool has_writable_video_ending(const std::string& path) {
  return has_ending(path, {".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm"});
}

VideoReader::VideoReader(const std::string& path) : path_(path) {
  if (!is_file(path)) fail<DataError>("video: {}: no such file", path);
  FasterMaskVideoProperties properties{};
  Reason reason{};
  reader_ = video_module().open_reader(path.c_str(), &properties, reason.data(), reason.size());
  if (reader_ == nullptr) fail<DataError>("video: {}: {}", path, reason.data());
  properties_ = {{properties.height, properties.width}, properties.frames_per_second, properties.frame_count};
}

VideoReader::~VideoReader() {
  if (reader_ != nullptr) video_module().close_reader(reader_);
}

bool VideoReader::read(Image& frame) {
  const ImageSize size = properties_.size;
  // A frame that was moved from has its size still, but no pixels.
  if (!(frame.size() == size) || frame.channels != 3 || frame.pixels.empty())
    frame = Image::unset(size.height, size.width);
  Reason reason{};
  const int status = video_module().read_frame(reader_, frame.pixels.data(), reason.data(), reason.size());
  if (status < 0) fail<DataError>("video: {}: {}", path_, reason.data());
  return status == 1;
}

VideoWriter::VideoWriter(std::string path, const VideoProperties& properties)
    : path_(std::move(path)), temporary_path_(unfinished_path(path_)), size_(properties.size) {
  if (!has_writable_video_ending(path_)) {
    fail<DataError>("video: {}: a video to write must end in .mp4, .m4v, .mov, .mkv, .avi or .webm", path_);
  }
  if (size_.height < 2 || size_.width < 2) {
    fail<DataError>("video: {}: a video must have at least 2x2 pixels, got {}x{}", path_, size_.width, size_.height);
  }
  make_folders(fs::path(path_).parent_path().string());
  const FasterMaskVideoProperties wanted = {
      size_.height, size_.width,
      properties.frames_per_second > 0 ? properties.frames_per_second : kDefaultFramesPerSecond, 0};
  Reason reason{};
  writer_ = video_module().open_writer(temporary_path_.c_str(), &wanted, reason.data(), reason.size());
  if (writer_ == nullptr) {
    std::error_code ignored;
    fs::remove(temporary_path_, ignored);
    fail<DataError>("video: {}: {}", path_, reason.data());
  }
}

VideoWriter::~VideoWriter() {
  if (writer_ == nullptr) return;
  close();
  std::error_code ignored;
  fs::remove(temporary_path_, ignored);
}

void VideoWriter::close() { video_module().close_writer(std::exchange(writer_, nullptr)); }

void VideoWriter::write(const Image& bgr) {
  if (!(bgr.size() == size_) || bgr.channels != 3) {
    fail<DataError>("video: {}: a frame must be BGR of {}x{} pixels, got {}x{} with {} channels", path_, size_.width,
                    size_.height, bgr.width, bgr.height, bgr.channels);
  }
  Reason reason{};
  if (video_module().write_frame(writer_, bgr.pixels.data(), reason.data(), reason.size()) != 0) {
    fail<DataError>("video: {}: {}", path_, reason.data());
  }
}

void VideoWriter::finish() {
  close();
  try {
    const VideoReader whole(temporary_path_);  // what FFmpeg could not write, it does not tell
  } catch (const DataError&) {
    fs::remove(temporary_path_);
    fail<DataError>("video: {}: could not be written whole; is there space on the disk?", path_);
  }
  std::error_code error;
  fs::rename(temporary_path_, path_, error);
  if (error) fail<DataError>("video: {}: cannot be written: {}", path_, error.message());
}

}  // namespace fastermask
