#include "fastermask/evaluation/text_input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "fastermask/base/error.h"

namespace fastermask {

struct TextInput::State {
  std::string where;
  int descriptor = -1;
  gzFile packed = nullptr;  // owns the descriptor when set
  std::size_t file_bytes = 0;

  ~State() {
    if (packed != nullptr) {
      gzclose(packed);
    } else if (descriptor >= 0) {
      ::close(descriptor);
    }
  }
};

TextInput::TextInput(const std::string& path, std::string where) : state_(std::make_unique<State>()) {
  state_->where = std::move(where);
  state_->descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (state_->descriptor < 0) fail<DataError>("{}: cannot open: {}", state_->where, std::strerror(errno));
  struct stat info {};
  if (::fstat(state_->descriptor, &info) == 0) {
    if (S_ISDIR(info.st_mode)) fail<DataError>("{}: cannot read: is a folder", state_->where);
    state_->file_bytes = static_cast<std::size_t>(std::max<off_t>(info.st_size, 0));
  }
  unsigned char magic[2] = {0, 0};
  const ssize_t count = ::pread(state_->descriptor, magic, 2, 0);
  if (count != 2 || magic[0] != 0x1f || magic[1] != 0x8b) return;
  state_->packed = gzdopen(state_->descriptor, "rb");
  if (state_->packed == nullptr) fail<DataError>("{}: cannot read: out of memory", state_->where);
  gzbuffer(state_->packed, 1u << 18);
}

TextInput::~TextInput() = default;

std::size_t TextInput::read(char* buffer, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const std::size_t wanted = std::min<std::size_t>(size - done, 1u << 30);
    ssize_t count = 0;
    if (state_->packed == nullptr) {
      count = ::read(state_->descriptor, buffer + done, wanted);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail<DataError>("{}: cannot read: {}", state_->where, std::strerror(errno));
    } else {
      count = gzread(state_->packed, buffer + done, static_cast<unsigned>(wanted));
      int status = Z_OK;
      const char* message = gzerror(state_->packed, &status);
      if (count < 0 || (status != Z_OK && status != Z_STREAM_END)) {
        fail<DataError>("{}: the gzip data is damaged or cut off: {}", state_->where,
                        status == Z_ERRNO ? std::strerror(errno) : message);
      }
    }
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

std::size_t TextInput::plain_bytes() const { return state_->packed == nullptr ? state_->file_bytes : 0; }

std::string TextInput::read_all() {
  std::string text;
  std::size_t used = 0;
  std::size_t step = state_->packed == nullptr ? state_->file_bytes + 1 : std::size_t{1} << 24;
  while (true) {
    text.resize(used + step);
    const std::size_t count = read(&text[used], step);
    used += count;
    if (count < step) break;
    step = std::max(step / 2, std::size_t{1} << 20);
  }
  text.resize(used);
  return text;
}

}  // namespace fastermask
