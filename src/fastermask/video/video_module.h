// What libfastermask_video.so gives the programs: a table of C functions, found with dlsym. The module alone is linked
// with OpenCV, so that programs start without it and run where it is missing.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

// Raised with every change of the table below; a program refuses a module of another number.
constexpr int kFasterMaskVideoAbi = 1;

struct FasterMaskVideoProperties {
  int height;
  int width;
  double frames_per_second;  // 0: unknown
  std::int64_t frame_count;  // what the container announces; 0: unknown
};

// Functions that can fail write a reason (ended by 0, cut at error_size bytes) to `error`. Frames are BGR, 8-bit,
// [height, width, 3] without gaps. Readers and writers are used by one thread at a time.
struct FasterMaskVideoModule {
  int abi;

  // A reader, or null. Rotation that the container asks for is applied to frames and size.
  void* (*open_reader)(const char* path, FasterMaskVideoProperties* properties, char* error, std::size_t error_size);
  // 1: `bgr` holds the next frame; 0: there is no further one; -1: failed.
  int (*read_frame)(void* reader, std::uint8_t* bgr, char* error, std::size_t error_size);
  void (*close_reader)(void* reader);

  // A writer, or null. The codec follows from the ending of `path`.
  void* (*open_writer)(const char* path, const FasterMaskVideoProperties* properties, char* error,
                       std::size_t error_size);
  // 0: done; -1: failed.
  int (*write_frame)(void* writer, const std::uint8_t* bgr, char* error, std::size_t error_size);
  void (*close_writer)(void* writer);
};

// Exported under this name: kFasterMaskVideoSymbol.
using FasterMaskVideoEntry = const FasterMaskVideoModule* (*)();

}  // extern "C"

constexpr const char* kFasterMaskVideoSymbol = "fastermask_video_module";
