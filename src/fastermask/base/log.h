// Logging, in detectron2's line formats: coloured on stderr, plain in log.txt. Built on spdlog.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace fastermask {

enum class LogLevel { debug, info, warning, error };

// Where a message goes and how it looks. Stdout lines: "[MM/DD HH:MM:SS d2.utils.events]: message"; file lines:
// "[MM/DD HH:MM:SS] detectron2.utils.events INFO: message". `module` is the dotted part after "detectron2.".
void log_message(LogLevel level, std::string_view module, std::string_view message);

// Messages below `level` are not shown on the console (the log file keeps them from info on).
void set_console_log_level(LogLevel level);

// Send console lines to stdout instead of stderr, as training does (scripts tee it).
void set_console_log_to_stdout(bool enabled);

// Begins every later console message: "[rank 2] ", so that those of several processes can be told apart.
void set_console_log_prefix(const std::string& prefix);

// Appends every later message to `path` as well, until the next call or close_log_file().
void open_log_file(const std::string& path);
void close_log_file();

template <class... Args>
void log_info(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::info, module, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::warning, module, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::error, module, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace fastermask
