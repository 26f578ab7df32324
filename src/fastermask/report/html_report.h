// The HTML report of a training run or an evaluation: one self-contained page with the results, the curves, a gallery of pictures and
// the configuration. It opens from the disk, needs no network, and can be rewritten while the training goes on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace fastermask {

// A picture of the gallery, already encoded.
struct ReportPicture {
  std::string caption;
  std::string bytes;  // the whole PNG or JPEG file; which of the two is told from its first bytes
};

// Curves over something else than iterations; drawn by the page, to be zoomed and read.
struct ReportChart {
  std::string title;
  std::string x_name;  // "recall in percent"
  std::vector<double> x;  // rising
  std::vector<std::pair<std::string, std::vector<double>>> lines;  // (name, [x.size()] values in [0, 100]), in order
};

// A section of the page. `html` is this layer's own: the page takes it as it is. Tables of class "sortable" sort by a
// click on a head; a cell's data-value counts where it has one.
struct ReportCard {
  std::string title;  // text
  std::string html;
};

// What the page shows. Every string is untrusted (a class name may hold "</script>"): none is read as HTML.
struct ReportInput {
  std::string title;

  // A file of JSON lines, as the trainer writes it: {"iteration": 19, "total_loss": 2.1, "lr": 0.004, "time": 0.5,
  // "data_time": 0.01, "bbox/AP": 53.0, "bbox/AP-cat": NaN, ...}. Empty path or missing file: a page without curves.
  // Lines that are not flat JSON objects with an iteration (the last one half written, say) are left out. Where a
  // resumed run repeats iterations, the later lines count.
  std::string metrics_json_path;

  std::string config_yaml;
  std::vector<std::pair<std::string, std::string>> environment;   // (name, value), in the order shown
  std::vector<std::pair<std::string, std::string>> dataset_rows;  // (name, value), in the order shown

  // task ("bbox", "segm", "keypoints") -> metric ("AP", "AP50", "AP-<class>") -> value in percent; NaN: not defined.
  std::map<std::string, std::map<std::string, double>> evaluation;

  std::vector<ReportChart> charts;
  std::vector<ReportCard> cards;

  std::vector<ReportPicture> gallery;
  std::vector<ReportPicture> over_time;  // the same few pictures at one evaluation after the other

  bool training_running = false;  // true: the page says so, and loads itself anew every half minute
  int64_t iterations_done = 0;
  int64_t iterations_total = 0;  // 0: unknown, no progress bar
};

// The page as text. Throws DataError when a picture of the gallery is neither PNG nor JPEG. A metrics file of any
// length costs one fast scan: about 1000 of its lines, evenly spread, and those with AP values are read in full.
std::string make_html_report(const ReportInput& input);

// Writes make_html_report(input) to `path`; readers see the old page or the new one, never half of one. Throws also
// Error when the file cannot be written.
void write_html_report(const std::string& path, const ReportInput& input);

}  // namespace fastermask
