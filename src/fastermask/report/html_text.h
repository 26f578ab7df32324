// Text and pictures inside HTML.
#pragma once

#include <string>
#include <string_view>

namespace fastermask {

// The text with <, >, & and quotes written so that it stays text, in elements and in quoted attributes.
std::string escape_html(std::string_view text);

// Appends bytes as base64, as data URLs have them.
void append_base64(std::string& out, std::string_view bytes);

}  // namespace fastermask
