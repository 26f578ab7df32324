#include "fastermask/runtime/supported.h"

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"

namespace fastermask {
namespace {

void warn_about_device(const std::string& device) {
  if (device == "auto" || device == "cpu") return;
  log_warning("engine.defaults", "MODEL.DEVICE is {}, which training uses: inference and evaluation run on the CPU",
              device);
}

}  // namespace

void check_training_supported(const Config& config) {
  if (config.test.aug.enabled) {
    fail<ConfigError>("config: TEST.AUG.ENABLED: not supported: test-time augmentation; set it to False");
  }
}

void check_inference_supported(const Config& config) {
  check_training_supported(config);
  warn_about_device(config.model.device);
}

}  // namespace fastermask
