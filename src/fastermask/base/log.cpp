#include "fastermask/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <memory>
#include <mutex>

#include "fastermask/base/error.h"
#include "fastermask/base/progress.h"

namespace fastermask {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

// The console logger and the file logger. Loggers are rebuilt rather than changed, so a running message is safe.
struct Loggers {
  std::mutex mutex;
  std::shared_ptr<spdlog::logger> console;
  std::shared_ptr<spdlog::logger> file;
  bool to_stdout = false;
  LogLevel console_level = LogLevel::info;
  std::string console_prefix;

  void rebuild_console() {
    std::shared_ptr<spdlog::sinks::sink> sink;
    if (to_stdout) {
      sink = std::make_shared<spdlog::sinks::stdout_color_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
    }
    console = std::make_shared<spdlog::logger>("console", sink);
    console->set_level(to_spdlog(console_level));
    console->set_pattern("%^[%m/%d %H:%M:%S %v");
    console->flush_on(spdlog::level::trace);
  }
};

Loggers& loggers() {
  static Loggers instance;
  return instance;
}

}  // namespace

void log_message(LogLevel level, std::string_view module, std::string_view message) {
  Loggers& all = loggers();
  const std::lock_guard<std::mutex> lock(all.mutex);
  if (!all.console) all.rebuild_console();
  const char* const names[] = {"DEBUG", "INFO", "WARNING", "ERROR"};
  const char* const name = names[static_cast<int>(level)];
  if (level >= all.console_level) {
    ProgressBar::clear_line();
    const std::string prefix = level >= LogLevel::warning ? fmt::format("{}: ", name) : "";
    all.console->log(to_spdlog(level), "d2.{}]: {}{}{}", module, prefix, all.console_prefix, message);
    ProgressBar::redraw();
  }
  if (all.file) all.file->log(to_spdlog(level), "detectron2.{} {}: {}", module, name, message);
}

void set_console_log_level(LogLevel level) {
  Loggers& all = loggers();
  const std::lock_guard<std::mutex> lock(all.mutex);
  all.console_level = level;
  all.rebuild_console();
}

void set_console_log_prefix(const std::string& prefix) {
  Loggers& all = loggers();
  const std::lock_guard<std::mutex> lock(all.mutex);
  all.console_prefix = prefix;
}

void set_console_log_to_stdout(bool enabled) {
  Loggers& all = loggers();
  const std::lock_guard<std::mutex> lock(all.mutex);
  all.to_stdout = enabled;
  all.rebuild_console();
}

void open_log_file(const std::string& path) {
  Loggers& all = loggers();
  const std::lock_guard<std::mutex> lock(all.mutex);
  try {
    const auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
    all.file = std::make_shared<spdlog::logger>("file", sink);
  } catch (const spdlog::spdlog_ex& error) {
    fail("{}: cannot open the log file: {}", path, error.what());
  }
  all.file->set_pattern("[%m/%d %H:%M:%S] %v");
  all.file->flush_on(spdlog::level::info);
}

void close_log_file() {
  Loggers& all = loggers();
  const std::lock_guard<std::mutex> lock(all.mutex);
  all.file.reset();
}

}  // namespace fastermask
