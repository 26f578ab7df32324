#include "fastermask/report/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "fastermask/report/html_text.h"

namespace fastermask {
namespace {

// The drawing's own units; it is scaled to the page.
constexpr double kChartWidth = 560;
constexpr double kChartHeight = 280;
constexpr double kChartLeft = 52;
constexpr double kChartTop = 14;
constexpr double kChartBottom = 236;
constexpr double kLetterWidth = 7.2;

// A step of 1, 2 or 5 times a power of ten that gives at most five of them up to `largest`.
double round_step(double largest) {
  if (!(largest > 0)) return 1;
  const double power = std::pow(10.0, std::floor(std::log10(largest / 5)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (largest / (factor * power) <= 5) return factor * power;
  }
  return 10 * power;
}

std::string svg_head(const std::string& title) {
  return fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", kChartWidth, kChartHeight,
                     escape_html(title));
}

std::string svg_text(double x, double y, const char* anchor, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, escape_html(text));
}

std::string svg_grid_line(double y, double right, const std::string& label) {
  return fmt::format("<line class=\"gridline\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>\n", kChartLeft, right,
                     y, y) +
         svg_text(kChartLeft - 6, y + 4, "end", label);
}

}  // namespace

std::string svg_bars(const std::vector<SvgBar>& bars, const std::string& x_title, bool labels_at_edges) {
  double largest = 0;
  for (const SvgBar& bar : bars) largest = std::max(largest, bar.value);
  const double step = round_step(largest);
  const double top = std::max(std::ceil(largest / step), 1.0) * step;
  const double right = kChartWidth - 8;
  const auto height_of = [&](double value) { return (kChartBottom - kChartTop) * value / top; };
  std::string out = svg_head(x_title);
  for (double value = 0; value <= top * 1.0001; value += step) {
    out += svg_grid_line(kChartBottom - height_of(value), right, fmt::format("{:g}", value));
  }
  const double slot = (right - kChartLeft) / static_cast<double>(std::max<std::size_t>(bars.size(), 1));
  double free_from = 0;  // where the next label may begin
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const double x = kChartLeft + slot * static_cast<double>(i);
    out += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"var(--c0)\"><title>{}</title>"
        "</rect>\n",
        x + slot * 0.08, kChartBottom - height_of(bars[i].value), slot * 0.84, height_of(bars[i].value),
        escape_html(bars[i].title));
    const double middle = labels_at_edges ? x : x + slot / 2;
    const double half_width = static_cast<double>(bars[i].label.size()) * kLetterWidth / 2;
    if (bars[i].label.empty() || middle - half_width < free_from) continue;
    out += svg_text(middle, kChartBottom + 17, "middle", bars[i].label);
    free_from = middle + half_width + 4;
  }
  out += svg_text((kChartLeft + right) / 2, kChartHeight - 6, "middle", x_title);
  return out + "</svg>\n";
}

std::string svg_share_lines(const std::vector<double>& x, const std::vector<SvgLine>& lines,
                            const std::string& x_title) {
  const double right = kChartWidth - 92;
  const auto y_of = [](double share) { return kChartBottom - (kChartBottom - kChartTop) * share; };
  std::string out = svg_head(x_title);
  for (int i = 0; i <= 5; ++i) out += svg_grid_line(y_of(i / 5.0), right, fmt::format("{} %", 20 * i));
  if (x.size() < 2) return out + "</svg>\n";
  const auto x_of = [&](double value) {
    return kChartLeft + (right - kChartLeft) * (value - x.front()) / (x.back() - x.front());
  };
  for (std::size_t i = 0; i < x.size(); i += 2) {
    out += svg_text(x_of(x[i]), kChartBottom + 17, "middle", fmt::format("{:.2g}", x[i]));
  }
  for (std::size_t l = 0; l < lines.size(); ++l) {
    std::string points;
    for (std::size_t i = 0; i < x.size() && i < lines[l].values.size(); ++i) {
      points += fmt::format("{:.1f},{:.1f} ", x_of(x[i]), y_of(lines[l].values[i]));
    }
    out += fmt::format("<polyline class=\"curve\" style=\"stroke:var(--c{})\" points=\"{}\"/>\n", l % 8, points);
    const double y = kChartTop + 12 + 18 * static_cast<double>(l);
    out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"10\" height=\"10\" rx=\"3\" fill=\"var(--c{})\"/>\n",
                       right + 14, y - 9, l % 8);
    out += svg_text(right + 29, y, "start", lines[l].name);
  }
  out += svg_text((kChartLeft + right) / 2, kChartHeight - 6, "middle", x_title);
  return out + "</svg>\n";
}

}  // namespace fastermask
