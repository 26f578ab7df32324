// COCO's evaluation in its plainest form: pixels, full curves, no shortcuts. Slow and obvious; tests compare the real
// one with it. Written from the rules, not from the code it checks.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace fastermask::plain {

struct Instance {
  std::int64_t id = 0;
  std::int64_t image_id = 0;
  std::int64_t category_id = 0;
  std::array<double, 4> xywh{};
  double area = 0;
  double score = 0;                  // detections
  bool crowd = false;                // ground truth
  bool excused = false;              // detections: LVIS does not punish it when it finds nothing
  int num_keypoints = 0;             // ground truth
  std::vector<std::uint8_t> pixels;  // any fixed order
  std::vector<double> keypoints;     // x, y, visibility
};

enum class Compare { boxes, pixels, keypoints };

struct Settings {
  Compare compare = Compare::boxes;
  std::vector<double> iou_thresholds, recall_thresholds, sigmas;
  std::vector<std::array<double, 2>> area_ranges;
  std::vector<int> max_detections;
  bool use_categories = true;
  std::vector<std::int64_t> image_ids, category_ids;  // ascending
};

struct Result {
  std::vector<double> precision, scores, recall;
};

inline double similarity(const Instance& detection, const Instance& truth, const Settings& settings) {
  if (settings.compare == Compare::pixels) {
    double both = 0, only_detection = 0, only_truth = 0;
    for (std::size_t i = 0; i < truth.pixels.size(); ++i) {
      both += detection.pixels[i] && truth.pixels[i];
      only_detection += detection.pixels[i] && !truth.pixels[i];
      only_truth += !detection.pixels[i] && truth.pixels[i];
    }
    if (both == 0) return 0;
    return both / (both + only_detection + (truth.crowd ? 0 : only_truth));
  }
  const auto& d = detection.xywh;
  const auto& g = truth.xywh;
  if (settings.compare == Compare::boxes) {
    const double w = std::min(d[0] + d[2], g[0] + g[2]) - std::max(d[0], g[0]);
    const double h = std::min(d[1] + d[3], g[1] + g[3]) - std::max(d[1], g[1]);
    if (w <= 0 || h <= 0) return 0;
    return w * h / (truth.crowd ? d[2] * d[3] : d[2] * d[3] + g[2] * g[3] - w * h);
  }
  int labelled = 0;
  for (std::size_t k = 0; k < settings.sigmas.size(); ++k) labelled += truth.keypoints[3 * k + 2] > 0;
  double sum = 0;
  for (std::size_t k = 0; k < settings.sigmas.size(); ++k) {
    if (labelled > 0 && truth.keypoints[3 * k + 2] <= 0) continue;
    const double x = detection.keypoints[3 * k], y = detection.keypoints[3 * k + 1];
    double dx = x - truth.keypoints[3 * k], dy = y - truth.keypoints[3 * k + 1];
    if (labelled == 0) {  // distance to the box grown by its own size on each side
      dx = std::max({0.0, g[0] - g[2] - x, x - (g[0] + 2 * g[2])});
      dy = std::max({0.0, g[1] - g[3] - y, y - (g[1] + 2 * g[3])});
    }
    const double spread = 2 * settings.sigmas[k];
    sum += std::exp(-(dx * dx + dy * dy) / (spread * spread) / (truth.area + 2.220446049250313e-16) / 2);
  }
  return sum / (labelled > 0 ? labelled : static_cast<int>(settings.sigmas.size()));
}

// One detection at one threshold and area range.
struct Outcome {
  double score;
  bool counts, right;
};

// The outcomes of one image and category, best score first, and the number of ground truths that count.
struct CellOutcome {
  std::vector<Outcome> detections;
  int truths = 0;
  bool exists = false;
};

inline CellOutcome match_cell(std::vector<Instance> detections, const std::vector<Instance>& truths, double threshold,
                              const std::array<double, 2>& area, const Settings& settings) {
  CellOutcome cell;
  cell.exists = !detections.empty() || !truths.empty();
  std::stable_sort(detections.begin(), detections.end(),
                   [](const Instance& a, const Instance& b) { return a.score > b.score; });
  if (detections.size() > static_cast<std::size_t>(settings.max_detections.back())) {
    detections.resize(static_cast<std::size_t>(settings.max_detections.back()));
  }
  std::vector<bool> ignored, taken(truths.size(), false);
  for (const Instance& truth : truths) {
    ignored.push_back(truth.crowd || (settings.compare == Compare::keypoints && truth.num_keypoints == 0) ||
                      truth.area < area[0] || truth.area > area[1]);
    cell.truths += !ignored.back();
  }
  for (const Instance& detection : detections) {
    // The best truth that counts; failing that, the best one that does not. Of equals, the last.
    int match = -1;
    for (const bool pass : {false, true}) {
      double best = std::min(threshold, 1 - 1e-10);
      for (std::size_t g = 0; g < truths.size(); ++g) {
        if (ignored[g] != pass || (taken[g] && !truths[g].crowd)) continue;
        const double value = similarity(detection, truths[g], settings);
        if (value < best) continue;
        best = value;
        match = static_cast<int>(g);
      }
      if (match >= 0) break;
    }
    Outcome outcome{detection.score, true, match >= 0};
    if (match >= 0) {
      taken[static_cast<std::size_t>(match)] = true;
      outcome.counts = !ignored[static_cast<std::size_t>(match)];
    } else {
      outcome.counts = !(detection.excused || detection.area < area[0] || detection.area > area[1]);
    }
    cell.detections.push_back(outcome);
  }
  return cell;
}

inline Result evaluate(const std::vector<Instance>& truths, const std::vector<Instance>& detections,
                       const Settings& settings) {
  using Key = std::pair<std::int64_t, std::int64_t>;  // image, category
  std::map<Key, std::vector<Instance>> truth_cells, detection_cells;
  for (const std::int64_t category : settings.category_ids) {  // joined lists hold one category after another
    const std::int64_t cell = settings.use_categories ? category : -1;
    for (const Instance& truth : truths) {
      if (truth.category_id == category) truth_cells[{truth.image_id, cell}].push_back(truth);
    }
    for (const Instance& detection : detections) {
      if (detection.category_id == category) detection_cells[{detection.image_id, cell}].push_back(detection);
    }
  }
  const std::vector<std::int64_t> categories =
      settings.use_categories ? settings.category_ids : std::vector<std::int64_t>{-1};
  const std::size_t T = settings.iou_thresholds.size(), R = settings.recall_thresholds.size(), K = categories.size(),
                    A = settings.area_ranges.size(), M = settings.max_detections.size();
  Result result;
  result.precision.assign(T * R * K * A * M, -1);
  result.scores = result.precision;
  result.recall.assign(T * K * A * M, -1);
  for (std::size_t t = 0; t < T; ++t) {
    for (std::size_t k = 0; k < K; ++k) {
      for (std::size_t a = 0; a < A; ++a) {
        std::vector<CellOutcome> cells;
        int total = 0;
        for (const std::int64_t image : settings.image_ids) {
          const Key key{image, categories[k]};
          cells.push_back(match_cell(detection_cells[key], truth_cells[key], settings.iou_thresholds[t],
                                     settings.area_ranges[a], settings));
          total += cells.back().truths;
        }
        if (total == 0) continue;
        for (std::size_t m = 0; m < M; ++m) {
          std::vector<Outcome> all;
          for (const CellOutcome& cell : cells) {
            const std::size_t count =
                std::min(cell.detections.size(), static_cast<std::size_t>(settings.max_detections[m]));
            all.insert(all.end(), cell.detections.begin(),
                       cell.detections.begin() + static_cast<std::ptrdiff_t>(count));
          }
          std::stable_sort(all.begin(), all.end(),
                           [](const Outcome& x, const Outcome& y) { return x.score > y.score; });
          std::vector<double> recalls, precisions;
          double right = 0, wrong = 0;
          for (const Outcome& outcome : all) {
            right += outcome.counts && outcome.right;
            wrong += outcome.counts && !outcome.right;
            recalls.push_back(right / total);
            precisions.push_back(right / (right + wrong + 2.220446049250313e-16));
          }
          for (std::size_t i = precisions.size(); i-- > 1;)
            precisions[i - 1] = std::max(precisions[i - 1], precisions[i]);
          result.recall[((t * K + k) * A + a) * M + m] = all.empty() ? 0 : recalls.back();
          for (std::size_t r = 0; r < R; ++r) {
            const auto place = std::find_if(recalls.begin(), recalls.end(),
                                            [&](double recall) { return recall >= settings.recall_thresholds[r]; });
            const std::size_t at = (((t * R + r) * K + k) * A + a) * M + m;
            const auto index = static_cast<std::size_t>(place - recalls.begin());
            result.precision[at] = place == recalls.end() ? 0 : precisions[index];
            result.scores[at] = place == recalls.end() ? 0 : all[index].score;
          }
        }
      }
    }
  }
  return result;
}

}  // namespace fastermask::plain
