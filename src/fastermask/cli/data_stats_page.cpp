// The page of `fastermask data stats --html`: self-contained, without scripts, pictures inside as data URLs.
#include "fastermask/cli/data_stats_page.h"

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/cli/data_picture.h"
#include "fastermask/report/html_page.h"
#include "fastermask/report/html_text.h"
#include "fastermask/report/svg_chart.h"

namespace fastermask::cli {
namespace {

constexpr std::size_t kPagePictures = 12;

// What the report's style lacks: pictures that are no buttons, and charts that do not react.
constexpr const char* kStatsStyle =
    ".plot svg { cursor: default; height: auto; }\n"
    "figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }\n"
    "figcaption { padding: 7px 10px; font-size: 13px; overflow-wrap: anywhere; }\n"
    "p.soft { margin: 0 0 6px; }\n";

std::string stats_tile(const char* name, const std::string& value, const std::string& note) {
  return fmt::format(
      "<div class=\"tile\"><div class=\"name\">{}</div><div class=\"value\">{}</div><div "
      "class=\"note\">{}</div></div>\n",
      name, value, escape_html(note));
}

std::string percent(std::int64_t part, std::int64_t whole) {
  return fmt::format("{:.1f} %",
                     100.0 * static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(whole, 1)));
}

std::string stats_tiles(const DatasetStats& stats) {
  const std::int64_t boxes_alone = stats.instances - stats.with_polygons - stats.with_rle;
  std::string out = "<div class=\"tiles\">\n";
  out += stats_tile("images", std::to_string(stats.images),
                    fmt::format("{} without objects, {} wider than high", stats.empty_images, stats.wide_images));
  out += stats_tile("instances", std::to_string(stats.instances), fmt::format("and {} crowd regions", stats.crowds));
  out += stats_tile(
      "classes", std::to_string(stats.classes.size()),
      fmt::format("{} without instances", std::count_if(stats.classes.begin(), stats.classes.end(),
                                                        [](const ClassStats& c) { return c.instances == 0; })));
  out += stats_tile("instances an image", fmt::format("{:.1f}", stats.instances_per_image.mean),
                    fmt::format("at most {:.0f}", stats.instances_per_image.largest));
  out += stats_tile("masks", percent(stats.with_polygons + stats.with_rle, stats.instances),
                    fmt::format("{} polygons, {} RLE, {} none", stats.with_polygons, stats.with_rle, boxes_alone));
  out += stats_tile(
      "small objects", percent(stats.small_objects, stats.instances),
      fmt::format("under 32 x 32; medium {}, large (from 96 x 96) {}", percent(stats.medium_objects, stats.instances),
                  percent(stats.large_objects, stats.instances)));
  return out + "</div>\n";
}

std::string card(const char* title, const std::string& content, bool wide = false) {
  return fmt::format("<section class=\"card{}\"><div class=\"top\"><h2>{}</h2></div>\n{}</section>\n",
                     wide ? " wide" : "", title, content);
}

// 0.25 as 1/4, 8 as 8; "" for what is no power of two.
std::string octave_label(double edge) {
  const double octave = std::log2(edge);
  if (std::abs(octave - std::round(octave)) > 1e-6) return "";
  return edge < 1 ? fmt::format("1/{:.0f}", 1 / edge) : fmt::format("{:.0f}", edge);
}

// A histogram's bars: with their range below, or, where edges are powers of two and more, with those at the bins' ends.
std::string histogram_chart(const Histogram& histogram, const std::string& x_title, bool whole_numbers) {
  std::vector<SvgBar> bars;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    const double low = histogram.edges[i];
    const double high = histogram.edges[i + 1];
    SvgBar bar;
    bar.value = static_cast<double>(histogram.counts[i]);
    if (whole_numbers) {
      bar.label = high - low > 1 ? fmt::format("{:.0f}-{:.0f}", low, high - 1) : fmt::format("{:.0f}", low);
      bar.title = fmt::format("{}: {}", bar.label, histogram.counts[i]);
    } else {
      bar.label = octave_label(low);
      bar.title = fmt::format("{:.3g} to {:.3g}: {}", low, high, histogram.counts[i]);
    }
    bars.push_back(std::move(bar));
  }
  // Empty ends tell nothing.
  const auto filled = [](const SvgBar& bar) { return bar.value > 0; };
  bars.erase(std::find_if(bars.rbegin(), bars.rend(), filled).base(), bars.end());
  bars.erase(bars.begin(), std::find_if(bars.begin(), bars.end(), filled));
  return "<div class=\"plot\">" + svg_bars(bars, x_title, !whole_numbers) + "</div>\n";
}

std::string distribution_row(const char* title, const Distribution& values) {
  return fmt::format("<tr><td>{}<td>{:.4g}<td>{:.4g}<td>{:.4g}<td>{:.4g}<td>{:.4g}<td>{:.4g}</tr>\n", title,
                     values.smallest, values.lower_quartile, values.median, values.upper_quartile, values.largest,
                     values.mean);
}

std::string distributions_table(const DatasetStats& stats) {
  return "<div class=\"scroll\"><table><thead><tr><th><th>min<th>25 %<th>median<th>75 %<th>max<th>mean</tr></thead>\n" +
         distribution_row("image width", stats.image_width) + distribution_row("image height", stats.image_height) +
         distribution_row("instances an image", stats.instances_per_image) +
         distribution_row("object side, px", stats.object_side) +
         distribution_row("object height / width", stats.object_aspect) + "</table></div>\n";
}

std::string anchors_content(const AnchorStatistics& anchors) {
  std::vector<SvgLine> lines;
  std::string table = "<div class=\"scroll\"><table><thead><tr><th>boxes<th>number<th>mean best IoU";
  table += fmt::format("<th>IoU &ge; 0.5<th>IoU &ge; {:g}</tr></thead>\n", anchors.positive);
  const auto share_at = [&](const AnchorStatistics::Group& group, double threshold) {
    std::size_t nearest = 0;
    for (std::size_t t = 0; t < anchors.thresholds.size(); ++t) {
      if (anchors.thresholds[t] <= threshold + 1e-6) nearest = t;
    }
    return 100 * group.shares[nearest];
  };
  for (const AnchorStatistics::Group& group : anchors.groups) {
    if (group.boxes > 0) lines.push_back({group.name, group.shares});
    table += fmt::format("<tr><td>{}<td>{}<td>{:.3f}<td>{:.1f} %<td>{:.1f} %</tr>\n", group.name, group.boxes,
                         group.mean_best_iou, share_at(group, 0.5), share_at(group, anchors.positive));
  }
  return fmt::format(
             "<p class=\"soft\">Share of boxes, as training sees them, whose best anchor reaches an IoU. Anchors: {}. "
             "Small is under 32 x 32 pixels of the network's input, large from 96 x 96.</p>\n",
             escape_html(anchors.anchors)) +
         "<div class=\"plot\">" + svg_share_lines(anchors.thresholds, lines, "IoU with the best anchor") + "</div>\n" +
         table + "</table></div>\n";
}

std::string classes_table(const DatasetStats& stats, const std::optional<AnchorStatistics>& anchors) {
  std::int64_t most = 1;
  std::vector<std::size_t> order;
  for (std::size_t c = 0; c < stats.classes.size(); ++c) {
    most = std::max(most, stats.classes[c].instances);
    order.push_back(c);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return stats.classes[a].instances > stats.classes[b].instances;
  });
  std::string out = "<div class=\"scroll\"><table><thead><tr><th>class<th>instances<th>images<th>median px";
  if (anchors) out += fmt::format("<th>anchor &ge; {:g}", anchors->positive);
  out += "</tr></thead>\n";
  for (const std::size_t c : order) {
    const ClassStats& of_class = stats.classes[c];
    out += fmt::format("<tr><td>{}<td class=\"bar\" style=\"--part:{:.1f}%\">{}<td>{}<td>{:.0f}",
                       escape_html(of_class.name),
                       100.0 * static_cast<double>(of_class.instances) / static_cast<double>(most), of_class.instances,
                       of_class.images, of_class.object_side.median);
    if (anchors) {
      out += anchors->class_shares[c] < 0 ? "<td>" : fmt::format("<td>{:.1f} %", 100 * anchors->class_shares[c]);
    }
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

// Pictures from all over the set; one that cannot be read is left out and logged.
std::string sample_pictures(const Dataset& dataset) {
  std::string out = "<div class=\"gallery\">\n";
  const std::size_t step = std::max<std::size_t>(1, dataset.records.size() / kPagePictures);
  for (std::size_t i = 0; i < dataset.records.size() && i / step < kPagePictures; i += step) {
    const ImageRecord& record = dataset.records[i];
    MapperOptions options;
    options.augmentation.min_sizes = {320};
    options.augmentation.max_size = 640;
    try {
      const Random random(1, RandomPurpose::augmentation);
      const Image picture = annotated_picture(dataset, record, options, random);
      const std::string jpeg = encode_image(picture, ImageFileKind::jpeg, PixelFormat::bgr, 85);
      out += "<figure><img alt=\"\" src=\"data:image/jpeg;base64,";
      append_base64(out, jpeg);
      out += fmt::format("\"><figcaption class=\"soft\">image {}: {} x {}, {} annotations</figcaption></figure>\n",
                         record.id, record.width, record.height, record.annotation_count);
    } catch (const DataError& error) {
      log_warning("data.stats", "Left out of the page: {}", error.what());
    }
  }
  return out + "</div>\n";
}

}  // namespace

void write_stats_page(const std::string& path, const Dataset& dataset, const DatasetStats& stats,
                      const std::optional<AnchorStatistics>& anchors) {
  const std::string name = escape_html(dataset.name);
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"><title>{}</title>\n<style>\n",
      name);
  page += html_page_style();
  page += kStatsStyle;
  page += "</style></head>\n<body>\n<div class=\"head\"><h1>" + name + "</h1></div>\n";
  page += stats_tiles(stats) + "<div class=\"grid\">\n";
  page += card("Classes", classes_table(stats, anchors));
  if (anchors) page += card("Anchors", anchors_content(*anchors));
  page += card("Sizes of objects", histogram_chart(stats.object_sides, "square root of the box's area, pixels", false));
  page += card("Shapes of objects", histogram_chart(stats.object_aspects, "height / width of the box", false));
  page += card("Instances an image", histogram_chart(stats.instances_images, "instances; the bars count images", true));
  page += card("Distributions", distributions_table(stats));
  page += card("Pictures", sample_pictures(dataset), true);
  page += "</div>\n</body>\n</html>\n";
  write_file_atomic(path, page);
}

}  // namespace fastermask::cli
