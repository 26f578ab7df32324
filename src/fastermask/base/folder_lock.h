// A folder that one process at a time may write to.
#pragma once

#include <string>

namespace fastermask {

// Holds a folder until destroyed; the system lets go of it when the process ends, however it ends. Nothing is written
// to the folder. File systems that know no locks (some network ones) are taken as free.
class FolderLock {
 public:
  // Throws Error, saying what `use` of it is, when another process holds the folder; makes the folder if need be.
  FolderLock(const std::string& folder, const std::string& use);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int folder_ = -1;
};

}  // namespace fastermask
