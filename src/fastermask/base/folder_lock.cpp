#include "fastermask/base/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"

namespace fastermask {

FolderLock::FolderLock(const std::string& folder, const std::string& use) {
  make_folders(folder);
  folder_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_ < 0) fail("{}: cannot open the folder: {}", folder, std::strerror(errno));
  if (::flock(folder_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(folder_);
  fail("{}: another process is using this folder for {}; wait for it to end, or choose another folder", folder, use);
}

FolderLock::~FolderLock() { ::close(folder_); }

}  // namespace fastermask
