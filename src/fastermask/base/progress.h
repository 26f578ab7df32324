// A progress bar on stderr, drawn only when that is a terminal. Log lines and the bar keep out of each other's way.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace fastermask {

// Usage: ProgressBar bar("train", 1000); bar.update(done, "loss 1.23"); Drawn at most ten times a second, and cleared
// when destroyed. Only one bar is on screen at a time: the last one made.
class ProgressBar {
 public:
  ProgressBar(std::string title, std::int64_t total);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // `done` of the total; `note` is shown after the remaining time.
  void update(std::int64_t done, const std::string& note = "");

  // Called by the logger around a line, so that the line does not land in the middle of the bar.
  static void clear_line();
  static void redraw();

 private:
  void draw();

  std::string title_;
  std::string note_;
  std::int64_t total_;
  std::int64_t done_ = 0;
  bool visible_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_draw_{};
};

}  // namespace fastermask
