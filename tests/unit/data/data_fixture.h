// A folder that vanishes with the test, and small data sets in it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/data/image_io.h"

namespace fastermask::testing_support {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int serial = 0;
    path_ =
        (std::filesystem::temp_directory_path() / fmt::format("fastermask-test-{}-{}", ::getpid(), serial++)).string();
    std::filesystem::create_directories(path_);
    set_console_log_level(LogLevel::error);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string operator/(const std::string& name) const { return join_path(path_, name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A picture whose every pixel tells where it is: (x, y, x + y) modulo 256.
inline Image position_image(int height, int width) {
  Image image(height, width);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      std::uint8_t* pixel = image.row(y) + 3 * x;
      pixel[0] = static_cast<std::uint8_t>(x);
      pixel[1] = static_cast<std::uint8_t>(y);
      pixel[2] = static_cast<std::uint8_t>(x + y);
    }
  }
  return image;
}

// The message of the E that `run` throws; "" and a failure when it throws none or another.
template <class E>
std::string message_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another exception: " << error.what();
    return "";
  }
  ADD_FAILURE() << "no exception";
  return "";
}

}  // namespace fastermask::testing_support
