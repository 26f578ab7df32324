// Finds the parts of a large JSON text without parsing it: members of the outermost object and elements of an array, as
// views. Each part is then parsed on its own, so that memory does not grow with the file. Internal to the data layer.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fastermask::json {

// A cursor over JSON text. Throws DataError "WHERE: broken JSON at byte B (line L): ..." where the structure is wrong;
// what lies inside a part (numbers, escapes) is left to the parser of that part.
class Scanner {
 public:
  // `where` opens error messages.
  Scanner(std::string_view file, std::string where);

  // Members of the object that the whole file is, in file order.
  std::vector<std::pair<std::string, std::string_view>> members();

  // Steps through the elements of `array`, a view into the file that begins with '['.
  void enter_array(std::string_view array);
  bool next_element(std::string_view& element);

  // Calls `passed`(begin, end) now and then, with the bytes gone by since the last call. They may be looked at again.
  void on_passed(std::function<void(std::size_t begin, std::size_t end)> passed) { on_passed_ = std::move(passed); }

  [[noreturn]] void fail_at(std::size_t position, const std::string& what) const;

 private:
  void skip_space();
  char peek();
  void expect(char wanted, const char* after);
  void skip_string();
  void skip_nested();
  std::string_view take_value();
  void tell_passed();

  std::string_view text_;
  std::string where_;
  std::size_t at_ = 0;
  bool first_element_ = true;
  std::function<void(std::size_t, std::size_t)> on_passed_;
  std::size_t passed_ = 0;  // up to where on_passed_ was told
};

}  // namespace fastermask::json
