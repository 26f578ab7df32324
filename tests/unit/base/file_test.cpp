#include "fastermask/base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fastermask/base/error.h"
#include "fastermask/base/folder_lock.h"
#include "fastermask/base/log.h"

namespace fastermask {
namespace {

namespace fs = std::filesystem;

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string pattern = (fs::temp_directory_path() / "fastermask-file-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~FileTest() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return join_path(folder_, name); }
  std::size_t file_count() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  std::string folder_;
};

TEST_F(FileTest, WritesAndReadsBack) {
  const std::string content("a\0b\nc", 5);
  write_file_atomic(path("deep/er/file"), content);
  EXPECT_EQ(read_file(path("deep/er/file")), content);
}

TEST_F(FileTest, LeavesTheOldFileAndNoRestWhenWritingFails) {
  write_file_atomic(path("file"), "old");
  EXPECT_THROW(write_file_atomic(path("file"),
                                 [](const std::string& temporary) {
                                   std::ofstream(temporary) << "half";
                                   throw Error("broken off");
                                 }),
               Error);
  EXPECT_EQ(read_file(path("file")), "old");
  EXPECT_EQ(file_count(), 1u);
}

TEST_F(FileTest, SaysWhatIsMissing) {
  try {
    read_file(path("none"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), path("none") + ": cannot open: No such file or directory");
  }
  EXPECT_THROW(read_file(folder_), Error);
}

TEST_F(FileTest, AFileInTheWayOfAFolderIsAnError) {
  write_file_atomic(path("file"), "x");
  EXPECT_THROW(make_folders(path("file/below")), Error);
}

TEST_F(FileTest, MapsAFileAndAnEmptyOne) {
  write_file_atomic(path("file"), "content");
  write_file_atomic(path("empty"), "");
  MappedFile map(path("file"));
  EXPECT_EQ(map.view(), "content");
  const MappedFile moved = std::move(map);
  EXPECT_EQ(moved.view(), "content");
  EXPECT_EQ(MappedFile(path("empty")).view(), "");
  EXPECT_THROW(MappedFile(path("none")), Error);
}

TEST_F(FileTest, TellsFilesFromFolders) {
  write_file_atomic(path("file"), "x");
  EXPECT_TRUE(is_file(path("file")) && !is_folder(path("file")) && path_exists(path("file")));
  EXPECT_TRUE(!is_file(folder_) && is_folder(folder_) && path_exists(folder_));
  EXPECT_FALSE(path_exists(path("none")));
}

TEST_F(FileTest, AFolderIsLockedByOneAtATime) {
  const std::string folder = path("made/on/the/way");
  {
    const FolderLock lock(folder, "a training");
    EXPECT_THAT([&] { FolderLock(folder, "a training"); },
                ::testing::ThrowsMessage<Error>(
                    ::testing::HasSubstr(folder + ": another process is using this folder for a training")));
  }
  EXPECT_NO_THROW(FolderLock(folder, "a training"));
}

TEST_F(FileTest, LogLinesHaveDetectron2sForm) {
  open_log_file(path("log.txt"));
  set_console_log_level(LogLevel::error);
  log_info("utils.events", "iter: {}", 19);
  log_warning("data", "odd");
  set_console_log_level(LogLevel::info);
  close_log_file();
  EXPECT_THAT(read_file(path("log.txt")),
              ::testing::MatchesRegex("\\[[0-9]+/[0-9]+ [0-9:]+\\] detectron2.utils.events INFO: iter: 19\n"
                                      "\\[[0-9]+/[0-9]+ [0-9:]+\\] detectron2.data WARNING: odd\n"));
}

TEST(JoinPath, AnAbsoluteSecondPartStandsAlone) {
  EXPECT_EQ(join_path("a/b", "c"), "a/b/c");
  EXPECT_EQ(join_path("a", "/c"), "/c");
  EXPECT_EQ(join_path("", "c"), "c");
}

TEST(ExpandUser, PutsTheHomeFolderIn) {
  setenv("HOME", "/home/me", 1);
  EXPECT_EQ(expand_user("~/x"), "/home/me/x");
  EXPECT_EQ(expand_user("~"), "/home/me");
  EXPECT_EQ(expand_user("~other/x"), "~other/x");
}

}  // namespace
}  // namespace fastermask
