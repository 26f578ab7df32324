// The C interface: fastermask.h on top of Predictor. Every function catches what is thrown and keeps its message.
#include <algorithm>
#include <cstring>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/embed/fastermask.h"
#include "fastermask/embed/predictor.h"

struct fm_predictor {
  fastermask::Predictor predictor;
};

struct fm_result {
  fastermask::Predictor predictor;  // whose class names the instances point to
  std::vector<fastermask::Instance> instances;
  int height;
  int width;
};

namespace {

thread_local std::string last_error;  // NOLINT: what fm_last_error() returns

// Runs `work`; returns `failed`, and keeps the message, when it throws.
template <class Value, class Work>
Value guarded(Value failed, const Work& work) {
  last_error.clear();
  try {
    return work();
  } catch (const std::exception& error) {
    last_error = error.what();
  } catch (...) {
    last_error = "unknown error";
  }
  return failed;
}

template <class T>
const T& checked(const T* pointer, const char* what) {
  if (pointer == nullptr) fastermask::fail("{} is NULL", what);
  return *pointer;
}

const fastermask::Instance& instance_of(const fm_result* result, int index) {
  const auto& instances = checked(result, "result").instances;
  if (index < 0 || static_cast<std::size_t>(index) >= instances.size())
    fastermask::fail("instance {} of {}", index, instances.size());
  return instances[static_cast<std::size_t>(index)];
}

const fastermask::RunLengthMask& mask_of(const fm_result* result, int index) {
  const fastermask::RunLengthMask& mask = instance_of(result, index).mask;
  if (mask.height == 0) fastermask::fail("the model gives no masks");
  return mask;
}

}  // namespace

extern "C" {

const char* fm_version(void) { return FASTERMASK_VERSION; }
int fm_abi_version(void) { return FM_ABI_VERSION; }
const char* fm_last_error(void) { return last_error.c_str(); }

fm_predictor* fm_open(const char* package, double score_threshold, int threads) {
  return guarded<fm_predictor*>(nullptr, [&] {
    fastermask::PredictorOptions options;
    options.score_threshold = score_threshold;
    options.threads = threads;
    return new fm_predictor{fastermask::Predictor(&checked(package, "package"), options)};
  });
}

void fm_close(fm_predictor* predictor) { delete predictor; }

int fm_class_count(const fm_predictor* predictor) {
  return guarded(-1, [&] { return static_cast<int>(checked(predictor, "predictor").predictor.class_names().size()); });
}

const char* fm_class_name(const fm_predictor* predictor, int class_index) {
  return guarded<const char*>(nullptr, [&]() -> const char* {
    const auto& names = checked(predictor, "predictor").predictor.class_names();
    if (class_index < 0 || static_cast<std::size_t>(class_index) >= names.size())
      fastermask::fail("class {} of {}", class_index, names.size());
    return names[static_cast<std::size_t>(class_index)].c_str();
  });
}

fm_result* fm_predict(const fm_predictor* predictor, const uint8_t* pixels, int height, int width, ptrdiff_t row_bytes,
                      enum fm_pixel_order order) {
  return guarded<fm_result*>(nullptr, [&] {
    const fastermask::Predictor& model = checked(predictor, "predictor").predictor;
    const auto pixel_order = order == FM_RGB ? fastermask::PixelOrder::rgb : fastermask::PixelOrder::bgr;
    auto instances = model.predict({pixels, height, width, pixel_order, row_bytes});
    return new fm_result{model, std::move(instances), height, width};
  });
}

fm_result* fm_predict_file(const fm_predictor* predictor, const char* path) {
  return guarded<fm_result*>(nullptr, [&] {
    const fastermask::Predictor& model = checked(predictor, "predictor").predictor;
    fastermask::PictureSize size;
    auto instances = model.predict_file(&checked(path, "path"), &size);
    return new fm_result{model, std::move(instances), size.height, size.width};
  });
}

fm_result* fm_predict_encoded(const fm_predictor* predictor, const void* bytes, size_t size) {
  return guarded<fm_result*>(nullptr, [&] {
    const fastermask::Predictor& model = checked(predictor, "predictor").predictor;
    fastermask::PictureSize picture;
    auto instances = model.predict_encoded(bytes, bytes == nullptr ? 0 : size, &picture);
    return new fm_result{model, std::move(instances), picture.height, picture.width};
  });
}

void fm_free_result(fm_result* result) { delete result; }

int fm_count(const fm_result* result) {
  return guarded(-1, [&] { return static_cast<int>(checked(result, "result").instances.size()); });
}

int fm_get(const fm_result* result, int index, fm_instance* instance) {
  return guarded(-1, [&] {
    const fastermask::Instance& found = instance_of(result, index);
    checked(instance, "instance");
    const auto class_index = static_cast<std::size_t>(found.class_index);
    *instance = {found.x1,
                 found.y1,
                 found.x2,
                 found.y2,
                 found.score,
                 found.class_index,
                 result->predictor.class_names()[class_index].c_str(),
                 result->predictor.category_ids()[class_index],
                 static_cast<int32_t>(found.keypoints.size()),
                 found.mask.height > 0 ? 1 : 0};
    return 0;
  });
}

int fm_get_keypoints(const fm_result* result, int index, float* values) {
  return guarded(-1, [&] {
    for (const fastermask::InstanceKeypoint& point : instance_of(result, index).keypoints) {
      checked(values, "values");
      *values++ = point.x;
      *values++ = point.y;
      *values++ = point.score;
    }
    return 0;
  });
}

int fm_picture_size(const fm_result* result, int* height, int* width) {
  return guarded(-1, [&] {
    const fm_result& found = checked(result, "result");
    if (height != nullptr) *height = found.height;
    if (width != nullptr) *width = found.width;
    return 0;
  });
}

int fm_get_mask(const fm_result* result, int index, uint8_t* pixels) {
  return guarded(-1, [&] {
    const std::vector<std::uint8_t> mask = mask_of(result, index).pixels();
    checked(pixels, "pixels");
    std::copy(mask.begin(), mask.end(), pixels);
    return 0;
  });
}

int fm_get_mask_rle(const fm_result* result, int index, char* counts, size_t size) {
  return guarded(-1, [&] {
    const fastermask::RunLengthMask& mask = mask_of(result, index);
    const std::string text = fastermask::rle_to_string({mask.height, mask.width, mask.runs});
    if (counts != nullptr && size > 0) {
      const std::size_t count = std::min(size - 1, text.size());
      std::memcpy(counts, text.data(), count);
      counts[count] = '\0';
    }
    return static_cast<int>(text.size() + 1);
  });
}

}  // extern "C"
