#include "fastermask/data/coco_annotations.h"

#include <atomic>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/data/coco_fields.h"

namespace fastermask::coco {
namespace {

constexpr std::size_t kBlock = 1024;  // annotations parsed at a time by one thread
constexpr std::size_t kMostKeypoints = 1000;

// Some annotations in a row, and what comes of them.
struct Block {
  std::size_t first = 0;  // number of the first in the file
  std::vector<std::string_view> elements;

  AnnotationTable table;
  std::vector<std::uint32_t> row_image;
  std::vector<std::uint32_t> row_element;  // [row] index into elements
  std::vector<std::int64_t> ids;
  std::int64_t without_image = 0;
  std::int64_t without_polygons = 0;
  std::int64_t dropped_polygons = 0;
  std::exception_ptr error;  // of the first annotation that cannot be read

  // Keeps its memory.
  void clear() {
    elements.clear();
    table.clear();
    row_image.clear();
    row_element.clear();
    ids.clear();
    without_image = without_polygons = dropped_polygons = 0;
    error = nullptr;
  }
};

class AnnotationSectionReader {
 public:
  AnnotationSectionReader(json::Scanner& scanner, std::string_view section, const AnnotationContext& context)
      : scanner_(scanner), context_(context), expected_keypoints_(context.keypoint_names) {
    scanner_.enter_array(section);
    all_.table.reserve_for_text(section.size());
  }

  Annotations read() {
    parallel_for(0, num_threads(), 1, [this](std::int64_t, std::int64_t) { work(); });
    all_.keypoint_count = any_keypoints_ ? expected_keypoints_ : 0;
    return std::move(all_);
  }

 private:
  // What every thread does: take a block, parse it, put it in its place.
  void work() {
    ObjectParser parser;
    AnnotationFields fields;
    auto block = std::make_unique<Block>();
    while (!stop_) {
      std::size_t number = 0;
      {
        const std::lock_guard<std::mutex> lock(scan_mutex_);
        if (ended_) return;
        scan(*block);
        number = blocks_++;
      }
      if (block->error == nullptr || !block->elements.empty()) parse(*block, parser, fields);
      const std::lock_guard<std::mutex> lock(take_mutex_);
      block = put_in_order(number, std::move(block));
    }
  }

  void scan(Block& block) {
    block.clear();
    block.first = scanned_;
    try {
      std::string_view element;
      while (block.elements.size() < kBlock) {
        if (!scanner_.next_element(element)) {
          ended_ = true;
          break;
        }
        block.elements.push_back(element);
      }
    } catch (...) {
      ended_ = true;
      block.error = std::current_exception();
    }
    scanned_ += block.elements.size();
  }

  std::size_t readable(std::string_view element) const {
    return static_cast<std::size_t>(context_.text.data() + context_.text.size() - element.data());
  }

  void parse(Block& block, ObjectParser& parser, AnnotationFields& fields) const {
    for (std::size_t i = 0; i < block.elements.size(); ++i) {
      try {
        parser.annotation(block.elements[i], readable(block.elements[i]), fields);
        take(fields, static_cast<std::uint32_t>(i), block);
      } catch (const FieldProblem& problem) {
        block.error = std::make_exception_ptr(DataError(describe(block, i, problem.what())));
        return;
      } catch (...) {
        block.error = std::current_exception();
        return;
      }
    }
  }

  void take(AnnotationFields& fields, std::uint32_t element, Block& block) const {
    block.ids.push_back(fields.id);
    const auto category = context_.category_index->find(fields.category_id);
    if (category == context_.category_index->end()) {
      throw FieldProblem(fmt::format("category_id {} is not among the {} categories of the file", fields.category_id,
                                     context_.category_index->size()));
    }
    const auto image = context_.image_index->find(fields.image_id);
    if (image == context_.image_index->end()) {
      ++block.without_image;
      return;
    }
    block.dropped_polygons += fields.dropped_polygons;
    if (fields.lost_polygons) {
      ++block.without_polygons;
      return;
    }
    const ImageRecord& record = (*context_.images)[image->second];
    const Rle* rle = std::get_if<Rle>(&fields.segmentation);
    if (rle != nullptr && (rle->height != record.height || rle->width != record.width)) {
      throw FieldProblem(fmt::format("segmentation size is {}x{}, the image is {}x{} (height x width)", rle->height,
                                     rle->width, record.height, record.width));
    }
    AnnotationRow row;
    row.id = fields.id;
    row.xywh = fields.bbox_xywh;
    row.area = fields.area.value_or(row.xywh[2] * row.xywh[3]);
    row.category = category->second;
    row.crowd = fields.crowd;
    if (!context_.keypoints) fields.keypoints.clear();
    for (Keypoint& keypoint : fields.keypoints) {
      keypoint.x += 0.5f;
      keypoint.y += 0.5f;
    }
    if (fields.keypoints.size() > kMostKeypoints) {
      throw FieldProblem(
          fmt::format("{} keypoints are more than the limit of {}", fields.keypoints.size(), kMostKeypoints));
    }
    block.table.add(row, fields.segmentation, fields.keypoints);
    block.row_image.push_back(image->second);
    block.row_element.push_back(element);
  }

  std::string describe(const Block& block, std::size_t i, const std::string& problem) const {
    const std::string_view element = block.elements[i];
    const auto image = ObjectParser().find_integer(element, readable(element), "image_id");
    return fmt::format("{}: {}{}: {}", context_.where,
                       name_of_object(element, readable(element), block.first + i, "annotation", "annotations"),
                       image ? fmt::format(" (image {})", *image) : "", problem);
  }

  // Returns a block to use again.
  std::unique_ptr<Block> put_in_order(std::size_t number, std::unique_ptr<Block> block) {
    if (waiting_.size() <= number - taken_) waiting_.resize(number - taken_ + 1);
    waiting_[number - taken_] = std::move(block);
    std::unique_ptr<Block> spare;
    while (!stop_ && !waiting_.empty() && waiting_.front() != nullptr) {
      spare = std::move(waiting_.front());
      waiting_.pop_front();
      ++taken_;
      try {
        append(*spare);
      } catch (...) {
        stop_ = true;
        throw;
      }
    }
    return spare != nullptr ? std::move(spare) : std::make_unique<Block>();
  }

  void append(Block& block) {
    for (std::size_t row = 0; row < block.table.size(); ++row) {
      const std::size_t count = block.table.row(row).keypoint_count;
      if (count == 0) continue;
      any_keypoints_ = true;
      if (expected_keypoints_ == 0) expected_keypoints_ = count;
      if (count != expected_keypoints_) {
        fail<DataError>("{}", describe(block, block.row_element[row],
                                       fmt::format("keypoints must be {} (as the category or the annotations before "
                                                   "have), got {}",
                                                   expected_keypoints_, count)));
      }
    }
    if (block.error != nullptr) std::rethrow_exception(block.error);
    all_.table.append(block.table);
    all_.row_image.insert(all_.row_image.end(), block.row_image.begin(), block.row_image.end());
    all_.ids.insert(all_.ids.end(), block.ids.begin(), block.ids.end());
    all_.without_image += block.without_image;
    all_.without_polygons += block.without_polygons;
    all_.dropped_polygons += block.dropped_polygons;
  }

  json::Scanner& scanner_;
  const AnnotationContext& context_;

  std::mutex scan_mutex_;  // of scanner_ and these
  std::size_t scanned_ = 0;
  std::size_t blocks_ = 0;
  bool ended_ = false;

  std::mutex take_mutex_;  // of these
  std::deque<std::unique_ptr<Block>> waiting_;
  std::size_t taken_ = 0;
  std::size_t expected_keypoints_ = 0;  // 0: not known yet
  bool any_keypoints_ = false;
  Annotations all_;

  std::atomic<bool> stop_{false};
};

}  // namespace

Annotations read_annotations(json::Scanner& scanner, std::string_view section, const AnnotationContext& context) {
  return AnnotationSectionReader(scanner, section, context).read();
}

std::string name_of_object(std::string_view object, std::size_t readable, std::size_t number, const char* singular,
                           const char* section) {
  const auto id = ObjectParser().find_integer(object, readable, "id");
  return id ? fmt::format("{} {}", singular, *id) : fmt::format("{}[{}]", section, number);
}

}  // namespace fastermask::coco
