// The exceptions FasterMask throws. Library code throws and never prints or exits; the command line turns an Error
// into one line on stderr and an exit status.
//
// Form of a message: `<where>: <what> must be <expected>, got <value>[; <hint>]`, lower case, no full stop.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace fastermask {

// Base of everything FasterMask throws on purpose. Exit status 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A config file, key or value is wrong. Exit status 2.
class ConfigError : public Error {
 public:
  using Error::Error;
};

// A data set, annotation, image or results file is wrong or missing. Exit status 1.
class DataError : public Error {
 public:
  using Error::Error;
};

// A weight file or checkpoint is damaged, or does not fit the model. Exit status 1.
class WeightsError : public Error {
 public:
  using Error::Error;
};

// A training step gave values that are not finite. Exit status 1.
class DivergedError : public Error {
 public:
  using Error::Error;
};

// The command line was used wrongly. Exit status 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

// Throws E with a formatted message: fail<DataError>("coco: {}: no such file", path).
template <class E = Error, class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw E(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace fastermask

// Checks what a caller promised; always on. FASTERMASK_CHECK(n > 0, "nms: n must be positive, got {}", n);
#define FASTERMASK_CHECK(condition, ...)             \
  do {                                               \
    if (!(condition)) ::fastermask::fail(__VA_ARGS__); \
  } while (false)
