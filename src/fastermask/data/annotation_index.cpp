#include "fastermask/data/annotation_index.h"

#include <sys/stat.h>
#include <xxhash.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"

namespace fastermask {
namespace {

constexpr std::uint64_t kIndexMagic = 0x3158444e494d4d46;  // "FMMINDX1" in this machine's byte order
constexpr std::size_t kSections = 9;
constexpr std::size_t kSectionAlignment = 16;
constexpr std::size_t kChecksumStep = std::size_t{8} << 20;
// A file changed within this time before it was indexed may change again without its time of change telling.
constexpr std::int64_t kSureAfterNs = 2'000'000'000;

struct IndexHeader {
  std::uint64_t magic = kIndexMagic;
  std::uint64_t layout = 0;         // sizes of the structures below, mixed
  std::uint64_t source_size = 0;    // of the annotation file
  std::int64_t source_changed = 0;  // nanoseconds; 0: not to be trusted
  std::uint64_t source_checksum = 0;
  std::uint64_t payload_checksum = 0;  // of all that follows the header
  std::uint64_t section_bytes[kSections] = {};
};

struct IndexedImage {
  std::int64_t id = 0;
  std::uint64_t name_begin = 0;
  std::uint32_t name_size = 0;
  std::int32_t height = 0;
  std::int32_t width = 0;
  std::uint32_t first_annotation = 0;
  std::uint32_t annotation_count = 0;
  std::uint32_t unused = 0;
};

struct SourceStamp {
  std::uint64_t size = 0;
  std::int64_t changed = 0;
};

SourceStamp stamp_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  return {static_cast<std::uint64_t>(info.st_size), info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec};
}

// Of a file, without holding it in memory as a whole.
std::uint64_t checksum_of_file(const std::string& path) {
  const MappedFile file(path);
  return content_checksum(file.view(), [&](std::size_t begin, std::size_t end) { file.forget(begin, end); });
}

// XXH3 of bytes that come in pieces.
class Checksum {
 public:
  Checksum() : state_(XXH3_createState(), XXH3_freeState) { XXH3_64bits_reset(state_.get()); }
  void add(std::string_view bytes) { XXH3_64bits_update(state_.get(), bytes.data(), bytes.size()); }
  std::uint64_t value() const { return XXH3_64bits_digest(state_.get()); }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

std::size_t aligned(std::size_t size) { return (size + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment; }

std::string head_json(const IndexedAnnotations& annotations) {
  const Dataset& dataset = annotations.dataset;
  const nlohmann::json head = {{"class_names", dataset.class_names},
                               {"category_ids", dataset.category_ids},
                               {"keypoint_names", dataset.keypoint_names},
                               {"flip_map", dataset.keypoint_flip_map},
                               {"skeleton", dataset.skeleton},
                               {"warnings", annotations.warnings}};
  return head.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void read_head(std::string_view text, IndexedAnnotations& annotations) {
  const nlohmann::json head = nlohmann::json::parse(text);
  Dataset& dataset = annotations.dataset;
  head.at("class_names").get_to(dataset.class_names);
  head.at("category_ids").get_to(dataset.category_ids);
  head.at("keypoint_names").get_to(dataset.keypoint_names);
  head.at("flip_map").get_to(dataset.keypoint_flip_map);
  head.at("skeleton").get_to(dataset.skeleton);
  head.at("warnings").get_to(annotations.warnings);
}

}  // namespace

// Knows the pools of AnnotationTable.
class AnnotationIndexFile {
 public:
  using Piece = AnnotationTable::Piece;

  static std::uint64_t layout() {
    std::uint64_t mixed = 3;  // of the format as a whole: raise it when the meaning of anything changes
    for (const std::size_t size : {sizeof(IndexHeader), sizeof(IndexedImage), sizeof(AnnotationRow), sizeof(Piece),
                                   sizeof(Keypoint), offsetof(AnnotationRow, keypoints_begin)}) {
      mixed = mixed * 1009 + size;
    }
    return mixed;
  }

  // The sections in their order.
  static std::vector<std::string_view> sections(const AnnotationTable& table, std::string_view head,
                                                const std::vector<IndexedImage>& images, std::string_view names) {
    return {head,
            {reinterpret_cast<const char*>(images.data()), images.size() * sizeof(IndexedImage)},
            names,
            bytes(table.rows_),
            bytes(table.pieces_),
            bytes(table.hundredths_),
            bytes(table.doubles_),
            bytes(table.runs_),
            bytes(table.keypoints_)};
  }

  // Makes the table a view of the sections of a file. False when a row reaches out of them.
  static bool map(const std::vector<std::string_view>& sections, std::shared_ptr<const MappedFile> file,
                  int num_classes, AnnotationTable& table) {
    table.file_ = std::move(file);
    take(sections[3], table.rows_);
    take(sections[4], table.pieces_);
    take(sections[5], table.hundredths_);
    take(sections[6], table.doubles_);
    take(sections[7], table.runs_);
    take(sections[8], table.keypoints_);
    return rows_are_sound(table, num_classes);
  }

 private:
  template <class T>
  static std::string_view bytes(const AnnotationPool<T>& pool) {
    return {reinterpret_cast<const char*>(pool.data()), pool.size() * sizeof(T)};
  }

  template <class T>
  static void take(std::string_view section, AnnotationPool<T>& pool) {
    pool = AnnotationPool<T>::view_of(reinterpret_cast<const T*>(section.data()), section.size() / sizeof(T));
  }

  static bool inside(std::uint64_t begin, std::uint64_t count, std::size_t size) { return begin + count <= size; }

  static bool rows_are_sound(const AnnotationTable& table, int num_classes) {
    for (const AnnotationRow& row : table.rows_) {
      unsigned char crowd = 0;
      std::memcpy(&crowd, &row.crowd, 1);
      if (crowd > 1 || row.category < 0 || row.category >= num_classes) return false;
      if (!inside(row.keypoints_begin, row.keypoint_count, table.keypoints_.size())) return false;
      if (!inside(row.segmentation_begin, row.segmentation_count, table.pieces_.size())) return false;
      if (row.kind > SegmentationKind::rle || (row.kind == SegmentationKind::rle && row.segmentation_count != 1))
        return false;
      for (std::uint32_t i = 0; i < row.segmentation_count; ++i) {
        const Piece& piece = table.pieces_[row.segmentation_begin + i];
        const bool runs = row.kind == SegmentationKind::rle;
        const std::size_t pool = runs                          ? table.runs_.size()
                                 : piece.exact_hundredths != 0 ? table.hundredths_.size()
                                                               : table.doubles_.size();
        if (!inside(piece.begin, piece.count, pool) || (runs && piece.count < 2)) return false;
      }
    }
    return true;
  }
};

std::uint64_t content_checksum(std::string_view bytes, const std::function<void(std::size_t, std::size_t)>& passed) {
  Checksum sum;
  for (std::size_t begin = 0; begin < bytes.size(); begin += kChecksumStep) {
    const std::size_t end = std::min(bytes.size(), begin + kChecksumStep);
    sum.add(bytes.substr(begin, end - begin));
    if (passed != nullptr) passed(begin, end);
  }
  return sum.value();
}

std::vector<std::string> annotation_index_paths(const std::string& annotation_file) {
  const std::size_t slash = annotation_file.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : annotation_file.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? annotation_file : annotation_file.substr(slash + 1);
  std::unique_ptr<char, void (*)(void*)> resolved(::realpath(annotation_file.c_str(), nullptr), std::free);
  const std::string full = resolved != nullptr ? resolved.get() : annotation_file;
  const std::string unique = fmt::format("{}-{:016x}.fmindex", name, content_checksum(full));
  const auto set = [](const char* variable) {
    const char* value = std::getenv(variable);
    return std::string(value == nullptr ? "" : value);
  };
  if (const std::string cache = set("FASTERMASK_CACHE"); !cache.empty()) {
    if (cache == "off") return {};
    return {join_path(expand_user(cache), unique)};
  }
  std::vector<std::string> paths = {join_path(folder, "." + name + ".fmindex")};
  if (const std::string cache = set("XDG_CACHE_HOME"); !cache.empty()) {
    paths.push_back(join_path(join_path(cache, "fastermask"), unique));
  } else if (!set("HOME").empty()) {
    paths.push_back(join_path(join_path(set("HOME"), ".cache/fastermask"), unique));
  }
  return paths;
}

bool load_annotation_index(const std::string& index_path, const std::string& annotation_file,
                           IndexedAnnotations& annotations) {
  if (!is_file(index_path)) return false;
  try {
    auto file = std::make_shared<const MappedFile>(index_path);
    const std::string_view all = file->view();
    IndexHeader header;
    if (all.size() < sizeof header) return false;
    std::memcpy(&header, all.data(), sizeof header);
    const SourceStamp source = stamp_of(annotation_file);
    if (header.magic != kIndexMagic || header.layout != AnnotationIndexFile::layout()) return false;
    if (header.source_size != source.size) return false;
    if (header.source_changed != source.changed && header.source_checksum != checksum_of_file(annotation_file))
      return false;

    std::vector<std::string_view> sections;
    std::size_t at = aligned(sizeof header);
    for (const std::uint64_t bytes : header.section_bytes) {
      if (at > all.size() || bytes > all.size() - at) return false;
      sections.push_back(all.substr(at, bytes));
      at += aligned(bytes);
    }
    if (at != all.size() || content_checksum(all.substr(aligned(sizeof header))) != header.payload_checksum)
      return false;

    IndexedAnnotations read;
    read_head(sections[0], read);
    Dataset& dataset = read.dataset;
    if (!AnnotationIndexFile::map(sections, file, dataset.num_classes(), dataset.table)) return false;
    dataset.records.resize(sections[1].size() / sizeof(IndexedImage));
    for (std::size_t i = 0; i < dataset.records.size(); ++i) {
      IndexedImage image;
      std::memcpy(&image, sections[1].data() + i * sizeof image, sizeof image);
      const std::uint64_t last = static_cast<std::uint64_t>(image.first_annotation) + image.annotation_count;
      if (image.name_begin > sections[2].size() || image.name_size > sections[2].size() - image.name_begin ||
          last > dataset.table.size()) {
        return false;
      }
      dataset.records[i] = {image.id,
                            std::string(sections[2].substr(image.name_begin, image.name_size)),
                            image.height,
                            image.width,
                            image.first_annotation,
                            image.annotation_count};
    }
    annotations = std::move(read);
    return true;
  } catch (const std::exception&) {
    return false;  // unreadable or damaged: the JSON is read again
  }
}

void save_annotation_index(const std::string& index_path, const std::string& annotation_file,
                           const IndexedAnnotations& annotations, std::int64_t read_since_ns) {
  const SourceStamp source = stamp_of(annotation_file);
  if (source.changed >= read_since_ns) fail("{}: changed while it was read", annotation_file);
  const Dataset& dataset = annotations.dataset;
  std::string names;
  std::vector<IndexedImage> images;
  images.reserve(dataset.records.size());
  for (const ImageRecord& record : dataset.records) {
    IndexedImage image;
    image.id = record.id;
    image.name_begin = names.size();
    image.name_size = static_cast<std::uint32_t>(record.file_name.size());
    image.height = record.height;
    image.width = record.width;
    image.first_annotation = record.first_annotation;
    image.annotation_count = record.annotation_count;
    images.push_back(image);
    names += record.file_name;
  }
  const std::string head = head_json(annotations);
  const auto sections = AnnotationIndexFile::sections(dataset.table, head, images, names);

  IndexHeader header;
  header.layout = AnnotationIndexFile::layout();
  header.source_size = source.size;
  header.source_checksum = checksum_of_file(annotation_file);
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const std::int64_t now_ns = now.tv_sec * 1'000'000'000LL + now.tv_nsec;
  header.source_changed = now_ns - source.changed > kSureAfterNs ? source.changed : 0;
  for (std::size_t i = 0; i < kSections; ++i) header.section_bytes[i] = sections[i].size();

  // Everything that follows the header, filled up to whole alignments.
  static constexpr char kZeros[kSectionAlignment] = {};
  const auto padding = [](std::string_view bytes) {
    return std::string_view(kZeros, aligned(bytes.size()) - bytes.size());
  };
  Checksum payload;
  for (const std::string_view section : sections) {
    payload.add(section);
    payload.add(padding(section));
  }
  header.payload_checksum = payload.value();

  // What a crash leaves half on the disk, the checksum gives away: no need to wait for the disk.
  write_file_atomic(
      index_path,
      [&](const std::string& temporary) {
        std::ofstream out(temporary, std::ios::binary);
        const auto write = [&](std::string_view bytes) {
          out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
          out.write(kZeros, static_cast<std::streamsize>(padding(bytes).size()));
        };
        write({reinterpret_cast<const char*>(&header), sizeof header});
        for (const std::string_view section : sections) write(section);
        out.close();
        if (!out) fail("{}: cannot write", temporary);
      },
      Durability::none);
}

}  // namespace fastermask
