#include "fastermask/weights/zip_file.h"

#include <zip.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace fastermask {
namespace {

constexpr std::uint64_t kZipLimit32 = 0xFFFFFFFFu;  // from here on zip64 fields are needed
constexpr std::uint64_t kMaxDeflateRatio = 1040;    // deflate cannot expand a byte further

void put_16(std::string& out, std::uint64_t value) {
  out.push_back(static_cast<char>(value & 0xFF));
  out.push_back(static_cast<char>((value >> 8) & 0xFF));
}

void put_32(std::string& out, std::uint64_t value) {
  put_16(out, value & 0xFFFF);
  put_16(out, (value >> 16) & 0xFFFF);
}

void put_64(std::string& out, std::uint64_t value) {
  put_32(out, value & 0xFFFFFFFFu);
  put_32(out, value >> 32);
}

std::uint32_t zip_crc(const std::vector<std::string_view>& pieces) {
  uLong crc = crc32(0, nullptr, 0);
  for (const std::string_view piece : pieces) {
    if (piece.empty()) continue;  // its pointer may be null, which zlib takes as the wish to begin anew
    crc = crc32_z(crc, reinterpret_cast<const Bytef*>(piece.data()), piece.size());
  }
  return static_cast<std::uint32_t>(crc);
}

// The fields that local headers and the directory share, from "version needed" to the uncompressed size.
std::string zip_common_fields(std::uint32_t crc, std::uint64_t size, bool zip64) {
  std::string out;
  put_16(out, zip64 ? 45 : 20);  // version needed
  put_16(out, 0x0800);           // names are UTF-8
  put_16(out, 0);                // stored
  put_16(out, 0);                // no time: files are reproducible
  put_16(out, 0x21);             // 1980-01-01, the first date there is
  put_32(out, crc);
  put_32(out, zip64 ? kZipLimit32 : size);
  put_32(out, zip64 ? kZipLimit32 : size);
  return out;
}

}  // namespace

ZipReader::ZipReader(std::string_view content, std::string where) : content_(content), where_(std::move(where)) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(content.data(), content.size(), 0, &error);
  if (source != nullptr) archive_ = zip_open_from_source(source, ZIP_RDONLY, &error);
  if (archive_ == nullptr) {
    const std::string reason = zip_error_strerror(&error);
    zip_source_free(source);
    zip_error_fini(&error);
    fail<WeightsError>("{}: damaged zip archive: {}; copy or download it again", where_, reason);
  }
  zip_error_fini(&error);
  const zip_int64_t count = zip_get_num_entries(archive_, 0);
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) {
    const char* name = zip_get_name(archive_, i, ZIP_FL_ENC_RAW);
    if (name == nullptr) continue;
    names_.emplace_back(name);
    index_.try_emplace(name, i);
  }
}

ZipReader::~ZipReader() {
  if (archive_ != nullptr) zip_discard(archive_);
}

std::uint64_t ZipReader::size(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) fail<WeightsError>("{}: the archive has no entry '{}'", where_, name);
  zip_stat_t stat;
  zip_stat_init(&stat);
  constexpr zip_uint64_t kNeeded = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
  if (zip_stat_index(archive_, found->second, 0, &stat) != 0 || (stat.valid & kNeeded) != kNeeded) {
    fail<WeightsError>("{}: damaged zip entry '{}'", where_, name);
  }
  if (stat.comp_size > content_.size() || stat.size / kMaxDeflateRatio > stat.comp_size + 1) {
    fail<WeightsError>("{}: zip entry '{}' claims {} bytes, more than the file can hold", where_, name, stat.size);
  }
  return stat.size;
}

std::string ZipReader::read(const std::string& name) const {
  std::string content(size(name), '\0');
  read_into(name, content.data(), content.size());
  return content;
}

void ZipReader::read_into(const std::string& name, void* target, std::uint64_t bytes) const {
  if (size(name) != bytes) {
    fail<WeightsError>("{}: zip entry '{}' must have {} bytes, got {}", where_, name, bytes, size(name));
  }
  zip_file_t* file = zip_fopen_index(archive_, index_.at(name), 0);
  if (file == nullptr) {
    fail<WeightsError>("{}: cannot read zip entry '{}': {}", where_, name, zip_strerror(archive_));
  }
  std::uint64_t done = 0;
  zip_int64_t count = 1;
  while (done < bytes && count > 0) {
    count = zip_fread(file, static_cast<char*>(target) + done, bytes - done);
    if (count > 0) done += static_cast<std::uint64_t>(count);
  }
  char beyond = 0;  // reading to the end makes libzip check the checksum
  const bool whole = done == bytes && count >= 0 && zip_fread(file, &beyond, 1) == 0;
  const std::string reason = zip_error_strerror(zip_file_get_error(file));
  zip_fclose(file);
  if (!whole) {
    fail<WeightsError>("{}: damaged zip entry '{}': {}; copy or download it again", where_, name, reason);
  }
}

ZipWriter::ZipWriter(const std::string& path, std::uint64_t alignment)
    : path_(path), alignment_(alignment), file_(std::fopen(path.c_str(), "wbe")) {
  if (file_ == nullptr) fail("{}: cannot create: {}", path, std::strerror(errno));
}

ZipWriter::~ZipWriter() {
  if (file_ != nullptr) std::fclose(file_);
}

void ZipWriter::write(std::string_view bytes) {
  if (bytes.empty()) return;
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
    fail("{}: cannot write: {}", path_, std::strerror(errno));
  }
  position_ += bytes.size();
}

void ZipWriter::add(const std::string& name, const std::vector<std::string_view>& pieces) {
  Entry entry{name, zip_crc(pieces), 0, position_};
  for (const std::string_view piece : pieces) entry.size += piece.size();
  const bool zip64 = entry.size >= kZipLimit32;
  std::string extra;
  if (zip64) {
    put_16(extra, 1);
    put_16(extra, 16);
    put_64(extra, entry.size);
    put_64(extra, entry.size);
  }
  // Padding goes into an extra field of the kind PyTorch's own writer uses ("FB").
  constexpr std::uint64_t kHeader = 30;
  constexpr std::uint64_t kPaddingHeader = 4;
  const std::uint64_t unpadded = position_ + kHeader + name.size() + extra.size();
  if (unpadded % alignment_ != 0) {
    const std::uint64_t padding = (alignment_ - (unpadded + kPaddingHeader) % alignment_) % alignment_;
    put_16(extra, 0x4246);
    put_16(extra, padding);
    extra.append(padding, 'Z');
  }
  std::string header;
  put_32(header, 0x04034b50);
  header += zip_common_fields(entry.crc, entry.size, zip64);
  put_16(header, name.size());
  put_16(header, extra.size());
  write(header + name + extra);
  for (const std::string_view piece : pieces) write(piece);
  entries_.push_back(std::move(entry));
}

void ZipWriter::write_directory() {
  const std::uint64_t start = position_;
  for (const Entry& entry : entries_) {
    const bool zip64 = entry.size >= kZipLimit32 || entry.offset >= kZipLimit32;
    std::string extra;
    if (zip64) {
      put_16(extra, 1);
      put_16(extra, 24);
      put_64(extra, entry.size);
      put_64(extra, entry.size);
      put_64(extra, entry.offset);
    }
    std::string header;
    put_32(header, 0x02014b50);
    put_16(header, zip64 ? 45 : 20);  // made by
    header += zip_common_fields(entry.crc, entry.size, zip64);
    put_16(header, entry.name.size());
    put_16(header, extra.size());
    put_16(header, 0);  // comment
    put_16(header, 0);  // disk
    put_16(header, 0);  // internal attributes
    put_32(header, 0);  // external attributes
    put_32(header, zip64 ? kZipLimit32 : entry.offset);
    write(header + entry.name + extra);
  }
  const std::uint64_t size = position_ - start;
  const std::uint64_t count = entries_.size();
  const bool zip64 = start >= kZipLimit32 || size >= kZipLimit32 || count >= 0xFFFF;
  std::string tail;
  if (zip64) {
    put_32(tail, 0x06064b50);
    put_64(tail, 44);
    put_16(tail, 45);
    put_16(tail, 45);
    put_32(tail, 0);
    put_32(tail, 0);
    put_64(tail, count);
    put_64(tail, count);
    put_64(tail, size);
    put_64(tail, start);
    put_32(tail, 0x07064b50);
    put_32(tail, 0);
    put_64(tail, position_);
    put_32(tail, 1);
  }
  put_32(tail, 0x06054b50);
  put_16(tail, 0);
  put_16(tail, 0);
  put_16(tail, zip64 ? 0xFFFF : count);
  put_16(tail, zip64 ? 0xFFFF : count);
  put_32(tail, zip64 ? kZipLimit32 : size);
  put_32(tail, zip64 ? kZipLimit32 : start);
  put_16(tail, 0);
  write(tail);
}

void ZipWriter::finish() {
  write_directory();
  std::FILE* file = std::exchange(file_, nullptr);
  if (std::fclose(file) != 0) fail("{}: cannot write: {}", path_, std::strerror(errno));
}

}  // namespace fastermask
