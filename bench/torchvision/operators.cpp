// Times this project's operators on the arrays that compare.sh made, and writes their results for it to check:
// bench_operators DATA.npz RESULTS.npz
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "fastermask/base/parallel.h"
#include "fastermask/detection/matcher.h"
#include "fastermask/detection/roi_levels.h"
#include "fastermask/kernels/nms.h"
#include "fastermask/kernels/paste.h"
#include "fastermask/kernels/roi_align.h"
#include "fastermask/kernels/row_ops.h"
#include "fastermask/weights/npz.h"

namespace fastermask {
namespace {

// The fastest of at least seven runs that together take a second: other work on the machine only slows runs down.
double best_seconds(const std::function<void()>& run) {
  run();
  double best = 1e9, total = 0;
  for (int i = 0; i < 7 || (total < 1 && i < 1000); ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

class OperatorBench {
 public:
  explicit OperatorBench(const std::string& path) : data_(load_npz(path)) {}

  void roi_align() {
    std::vector<FeatureLevel> levels;
    std::vector<FeatureLevelGradient> gradients;
    std::vector<std::vector<float>> buffers;
    for (int i = 0; i < 4; ++i) {
      const NDArray& feature = data_.at(fmt::format("feature{}", i));  // [N, H, W, C]
      const auto size = [&feature](std::size_t d) { return static_cast<int>(feature.shape[d]); };
      levels.push_back({feature.data<float>(), size(0), size(1), size(2), size(3), 0.25f / static_cast<float>(1 << i)});
      buffers.emplace_back(static_cast<std::size_t>(feature.size()));
    }
    for (std::size_t i = 0; i < 4; ++i) {
      const FeatureLevel& level = levels[i];
      gradients.push_back(
          {buffers[i].data(), level.batch, level.height, level.width, level.channels, level.spatial_scale});
    }
    const Boxes boxes = boxes_of("rois");
    const std::vector<std::int64_t> images = data_.at("roi_images").to_integers();
    const RoiAlignParams params;
    std::vector<float> output(boxes.size() * 49 * 256);
    const NDArray& gradient = data_.at("roi_gradient");  // [R, 7, 7, C]
    std::vector<Roi> rois;
    const auto assign = [&] {
      const std::vector<int> at = assign_boxes_to_levels(boxes, RoiLevelParams());
      rois.clear();
      for (std::size_t r = 0; r < boxes.size(); ++r) rois.push_back({static_cast<int>(images[r]), at[r], boxes[r]});
    };
    time("roi_align forward", [&] {
      assign();
      roi_align_forward(levels, rois, params, output.data());
    });
    time("roi_align backward", [&] {
      for (std::vector<float>& buffer : buffers) std::memset(buffer.data(), 0, buffer.size() * sizeof(float));
      roi_align_backward(gradients, rois, params, gradient.data<float>());
    });
    results_["roi_output"] = NDArray::from({static_cast<std::int64_t>(boxes.size()), 7, 7, 256}, output);
    for (int i = 0; i < 4; ++i) {
      results_[fmt::format("roi_grad{}", i)] =
          NDArray::from(data_.at(fmt::format("feature{}", i)).shape, buffers[static_cast<std::size_t>(i)]);
    }
  }

  void suppress(int count) {
    const Boxes boxes = boxes_of(fmt::format("nms_boxes{}", count));
    const std::vector<float> scores = data_.at(fmt::format("nms_scores{}", count)).to_floats();
    std::vector<int> kept;
    time(fmt::format("nms {}", count), [&] { kept = nms(boxes, scores, 0.7); });
    const std::vector<std::int64_t> indices(kept.begin(), kept.end());
    results_[fmt::format("nms{}", count)] = NDArray::from({static_cast<std::int64_t>(kept.size())}, indices);
  }

  void match() {
    const Boxes anchors = boxes_of("anchors"), truths = boxes_of("truths");
    const Matcher matcher({0.3, 0.7}, {0, -1, 1}, {true, true});
    Matches matches;
    time("box_iou + matching", [&] { matches = matcher.match(truths, anchors); });
    const std::vector<std::int64_t> index(matches.gt_index.begin(), matches.gt_index.end());
    const std::vector<std::int64_t> labels(matches.labels.begin(), matches.labels.end());
    results_["match_index"] = NDArray::from({static_cast<std::int64_t>(index.size())}, index);
    results_["match_labels"] = NDArray::from({static_cast<std::int64_t>(labels.size())}, labels);
  }

  void paste() {
    const Boxes boxes = boxes_of("paste_boxes");
    const std::vector<float> soft = data_.at("paste_masks").to_floats();  // [D, 28, 28]
    const ImageSize image = {800, 1216};
    std::vector<BitMask> masks(boxes.size());
    time("paste to bitmaps", [&] {
      parallel_for(0, static_cast<std::int64_t>(boxes.size()), 1, [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          masks[i] = paste_mask(soft.data() + i * 28 * 28, 28, boxes[i], image);
        }
      });
    });
    std::vector<std::vector<float>> rows;
    for (std::size_t i = 0; i < boxes.size(); ++i)
      rows.emplace_back(soft.begin() + static_cast<std::ptrdiff_t>(i) * 784,
                        soft.begin() + static_cast<std::ptrdiff_t>(i + 1) * 784);
    time("paste to RLE", [&] { paste_masks_to_rle(rows, 28, boxes, image); });
    std::vector<std::uint8_t> pixels;
    for (const BitMask& mask : masks) pixels.insert(pixels.end(), mask.pixels.begin(), mask.pixels.end());
    results_["pasted"] = NDArray::from({static_cast<std::int64_t>(boxes.size()), image.height, image.width}, pixels);
  }

  // What the machine can do: bytes a second copied in memory (read and written), and multiply-adds a second of the
  // vector loops on data in the first cache.
  void limits() {
    std::vector<float> source(std::size_t{16} << 20, 1), target(source.size());
    const double copying = best_seconds([&] {
      parallel_for(0, 64, 1, [&](std::int64_t begin, std::int64_t end) {
        const std::size_t chunk = source.size() / 64;
        std::memcpy(target.data() + static_cast<std::size_t>(begin) * chunk,
                    source.data() + static_cast<std::size_t>(begin) * chunk,
                    static_cast<std::size_t>(end - begin) * chunk * sizeof(float));
      });
    });
    fmt::print("limit memory {:.6g}\n", 2 * 4 * static_cast<double>(source.size()) / copying);
    const int threads = num_threads();
    const double adding = best_seconds([&] {
      parallel_for(0, threads, 1, [&](std::int64_t begin, std::int64_t end) {
        const std::vector<float> row(1024, 1);
        std::vector<float> out(1024);
        const float* rows[4] = {row.data(), row.data(), row.data(), row.data()};
        const float weights[4] = {0.1f, 0.2f, 0.3f, 0.4f};
        for (std::int64_t i = begin * 20000; i < end * 20000; ++i)
          row_ops().weighted_sum(rows, weights, 4, 1024, false, out.data());
      });
    });
    fmt::print("limit arithmetic {:.6g}\n", 2.0 * 4 * 1024 * 20000 * threads / adding);
  }

  void save(const std::string& path) const { save_npz(path, results_); }

 private:
  Boxes boxes_of(const std::string& name) const {
    const NDArray& array = data_.at(name);
    const auto* first = reinterpret_cast<const Box*>(array.data<float>());
    return {first, first + array.shape[0]};
  }

  void time(const std::string& name, const std::function<void()>& run) {
    fmt::print("time {:.6g} {}\n", best_seconds(run), name);
  }

  NamedArrays data_;
  NamedArrays results_;
};

}  // namespace
}  // namespace fastermask

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: bench_operators DATA.npz RESULTS.npz\n");
    return 2;
  }
  fastermask::OperatorBench bench(argv[1]);
  bench.roi_align();
  for (const int count : {1000, 6000, 12000}) bench.suppress(count);
  bench.match();
  bench.paste();
  bench.limits();
  bench.save(argv[2]);
  return 0;
}
