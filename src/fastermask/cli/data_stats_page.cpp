// The page of `fastermask data stats --html`: self-contained, pictures inside as data URLs.
#include "fastermask/cli/data_stats_page.h"

#include <algorithm>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/cli/data_picture.h"
#include "fastermask/report/html_text.h"

namespace fastermask::cli {
namespace {

constexpr std::size_t kPagePictures = 12;

std::string class_chart(const DatasetStats& stats) {
  std::int64_t most = 1;
  for (const ClassStats& of_class : stats.classes) most = std::max(most, of_class.instances);
  std::vector<const ClassStats*> order;
  for (const ClassStats& of_class : stats.classes) order.push_back(&of_class);
  std::stable_sort(order.begin(), order.end(),
                   [](const ClassStats* a, const ClassStats* b) { return a->instances > b->instances; });
  std::string out = "<table class=\"chart\"><tr><th>class<th>instances<th><th>images<th>median side, px</tr>\n";
  for (const ClassStats* of_class : order) {
    out += fmt::format("<tr><td>{}<td>{}<td class=\"bar\"><div style=\"width:{:.1f}%\"></div><td>{}<td>{:.0f}</tr>\n",
                       escape_html(of_class->name), of_class->instances,
                       100.0 * static_cast<double>(of_class->instances) / static_cast<double>(most), of_class->images,
                       of_class->object_side.median);
  }
  return out + "</table>\n";
}

std::string distribution_row(const char* title, const Distribution& values) {
  return fmt::format("<tr><td>{}<td>{:.2f}<td>{:.2f}<td>{:.2f}<td>{:.2f}<td>{:.2f}<td>{:.2f}</tr>\n", title,
                     values.smallest, values.lower_quartile, values.median, values.upper_quartile, values.largest,
                     values.mean);
}

// Pictures from all over the set; one that cannot be read is left out and logged.
std::string sample_pictures(const Dataset& dataset) {
  std::string out;
  const std::size_t step = std::max<std::size_t>(1, dataset.records.size() / kPagePictures);
  for (std::size_t i = 0; i < dataset.records.size() && i / step < kPagePictures; i += step) {
    const ImageRecord& record = dataset.records[i];
    MapperOptions options;
    options.augmentation.min_sizes = {240};
    options.augmentation.max_size = 480;
    try {
      const Random random(1, RandomPurpose::augmentation);
      const Image picture = annotated_picture(dataset, record, options, random);
      const std::string jpeg = encode_image(picture, ImageFileKind::jpeg, PixelFormat::bgr, 85);
      out += "<figure><img src=\"data:image/jpeg;base64,";
      append_base64(out, jpeg);
      out += fmt::format("\"><figcaption>image {}</figcaption></figure>\n", record.id);
    } catch (const DataError& error) {
      log_warning("data.stats", "Left out of the page: {}", error.what());
    }
  }
  return out;
}

}  // namespace

void write_stats_page(const std::string& path, const Dataset& dataset, const DatasetStats& stats) {
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title>\n<style>\n"
      "body{{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}}\n"
      "table{{border-collapse:collapse;margin:1em 0}} td,th{{padding:.15em .8em;text-align:right}}\n"
      "td:first-child,th:first-child{{text-align:left}} .bar{{width:24em;text-align:left}}\n"
      ".bar div{{background:#3b82c4;height:.9em}} figure{{display:inline-block;margin:.3em}}\n"
      "figcaption{{font-size:12px;color:#666}}\n</style>\n<h1>{0}</h1>\n",
      escape_html(dataset.name));
  page += fmt::format(
      "<p>{} images ({} without objects), {} instances of {} classes, {} crowd regions. Masks: {} polygons, "
      "{} RLE. The default FPN anchors at short edge 800 fit {:.1f} % of the boxes with IoU 0.5, {:.1f} % "
      "with 0.7.</p>\n",
      stats.images, stats.empty_images, stats.instances, stats.classes.size(), stats.crowds, stats.with_polygons,
      stats.with_rle, 100 * stats.anchor_fit_50, 100 * stats.anchor_fit_70);
  page += "<table><tr><th><th>min<th>25 %<th>median<th>75 %<th>max<th>mean</tr>\n";
  page += distribution_row("image width", stats.image_width) + distribution_row("image height", stats.image_height) +
          distribution_row("instances an image", stats.instances_per_image) +
          distribution_row("object side, px", stats.object_side) +
          distribution_row("object height / width", stats.object_aspect) + "</table>\n";
  page += "<h2>Classes</h2>\n" + class_chart(stats) + "<h2>Pictures</h2>\n" + sample_pictures(dataset) + "</html>\n";
  write_file_atomic(path, page);
}

}  // namespace fastermask::cli
