// Going on from a checkpoint that only rank 0 may have.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/distributed.h"

namespace fastermask {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNamesNewest = "last_checkpoint";

// A folder of this process's own, gone at the end.
class PassingFolder {
 public:
  PassingFolder() {
    std::string name = (fs::temp_directory_path() / "fastermask-checkpoint-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      fail("checkpoint: cannot make a folder in {}", fs::temp_directory_path().string());
    path_ = name;
  }
  ~PassingFolder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  PassingFolder(const PassingFolder&) = delete;
  PassingFolder& operator=(const PassingFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

std::optional<ResumePoint> resume_everywhere(const std::string& folder, const TrainingState& state) {
  if (distributed::world_size() == 1) return resume_from_checkpoint(folder, state);
  std::optional<ResumePoint> point;
  const bool main = distributed::is_main();
  if (main) point = resume_from_checkpoint(folder, state);
  // The file rank 0 has read is the one its pointer names, unless that was damaged: then all take the same road.
  const std::string pointer = join_path(folder, kNamesNewest);
  const std::string newest = main && point ? std::string(trim(read_file(pointer))) : "";
  const std::string name = distributed::from_main("checkpoint", newest);
  if (name.empty()) return std::nullopt;
  const std::string mark = distributed::from_main("checkpoint folder", fmt::format(".rank0-{}", getpid()));
  if (main) write_file_atomic(join_path(folder, mark), "");
  distributed::from_main("mark", "is there");
  const bool sees = is_file(join_path(folder, mark));
  if (sees) {
    if (!main) point = resume_from_checkpoint(folder, state);
    distributed::send_file(join_path(folder, name), "");
  } else {
    const PassingFolder passing;
    distributed::send_file("", join_path(passing.path(), name));
    log_info("checkpoint", "{} has been sent by rank 0", name);
    write_file_atomic(join_path(passing.path(), kNamesNewest), name);
    point = resume_from_checkpoint(passing.path(), state);
  }
  if (main) fs::remove(join_path(folder, mark));
  return point;
}

}  // namespace fastermask
