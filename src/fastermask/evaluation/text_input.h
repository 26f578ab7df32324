// Reading a text file from the beginning to the end, packed by gzip or not. Internal to the evaluation layer.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace fastermask {

// Throws DataError "WHERE: ..." when the file cannot be opened or read, or a packed file is damaged or cut off.
class TextInput {
 public:
  // Packed files are told by their first bytes, whatever their name.
  TextInput(const std::string& path, std::string where);
  ~TextInput();
  TextInput(const TextInput&) = delete;
  TextInput& operator=(const TextInput&) = delete;

  // Fills `buffer` with the next `size` bytes; fewer only at the end of the file.
  std::size_t read(char* buffer, std::size_t size);

  // The length of a file that is not packed; 0 for others.
  std::size_t plain_bytes() const;

  // The rest of the file.
  std::string read_all();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fastermask
