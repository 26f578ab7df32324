#include "fastermask/base/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <utility>

#include "fastermask/base/text.h"

#include <fmt/format.h>

namespace fastermask {
namespace {

std::recursive_mutex g_bar_mutex;
ProgressBar* g_bar = nullptr;

std::size_t terminal_width() {
  struct winsize size {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

ProgressBar::ProgressBar(std::string title, std::int64_t total)
    : title_(std::move(title)), total_(std::max<std::int64_t>(total, 1)), visible_(isatty(STDERR_FILENO) != 0),
      start_(std::chrono::steady_clock::now()) {
  const std::lock_guard<std::recursive_mutex> lock(g_bar_mutex);
  g_bar = this;
}

ProgressBar::~ProgressBar() {
  const std::lock_guard<std::recursive_mutex> lock(g_bar_mutex);
  if (g_bar != this) return;
  clear_line();
  g_bar = nullptr;
}

void ProgressBar::update(std::int64_t done, const std::string& note) {
  const std::lock_guard<std::recursive_mutex> lock(g_bar_mutex);
  done_ = done;
  note_ = note;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_draw_ < std::chrono::milliseconds(100) && done < total_) return;
  last_draw_ = now;
  draw();
}

void ProgressBar::clear_line() {
  const std::lock_guard<std::recursive_mutex> lock(g_bar_mutex);
  if (g_bar != nullptr && g_bar->visible_) std::fputs("\r\033[K", stderr);
}

void ProgressBar::redraw() {
  const std::lock_guard<std::recursive_mutex> lock(g_bar_mutex);
  if (g_bar != nullptr) g_bar->draw();
}

void ProgressBar::draw() {
  if (!visible_ || g_bar != this) return;
  const double share = std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0);
  const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const std::string left = done_ > 0 ? format_duration(elapsed / share * (1 - share)) : "?";
  constexpr int kBarWidth = 24;
  const auto filled = static_cast<std::size_t>(share * kBarWidth);
  std::string line = fmt::format("{} [{}{}] {}/{} {} left  {}", title_, std::string(filled, '#'),
                                 std::string(kBarWidth - filled, '.'), done_, total_, left, note_);
  line.resize(std::min(line.size(), terminal_width() - 1));
  fmt::print(stderr, "\r\033[K{}", line);
  std::fflush(stderr);
}

}  // namespace fastermask
