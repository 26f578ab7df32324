// Charts as SVG, without scripts, in the colours of html_page_style(): put them inside <div class="plot">.
#pragma once

#include <string>
#include <vector>

namespace fastermask {

struct SvgBar {
  std::string label;  // below the bar; may be empty
  double value = 0;   // >= 0
  std::string title;  // shown when the pointer is on the bar
};

// Upright bars from 0 on, with a scale of round numbers. `x_title` says what the labels are. They stand under the
// middle of their bar, or, as the edges of a histogram's bins, under its left end. Those that would run into another
// are left out.
std::string svg_bars(const std::vector<SvgBar>& bars, const std::string& x_title, bool labels_at_edges = false);

struct SvgLine {
  std::string name;
  std::vector<double> values;  // shares in [0, 1], one for each place along x
};

// Lines over places along x, from 0 to 100 percent, with their names at the right.
std::string svg_share_lines(const std::vector<double>& x, const std::vector<SvgLine>& lines,
                            const std::string& x_title);

}  // namespace fastermask
