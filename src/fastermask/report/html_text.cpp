#include "fastermask/report/html_text.h"

namespace fastermask {

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

void append_base64(std::string& out, std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  out.reserve(out.size() + bytes.size() / 3 * 4 + 8);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    const auto byte = [&](std::size_t k) { return k < left ? static_cast<unsigned char>(bytes[i + k]) : 0U; };
    const unsigned triple = (byte(0) << 16U) | (byte(1) << 8U) | byte(2);
    out += kDigits[triple >> 18U];
    out += kDigits[(triple >> 12U) & 63U];
    out += left > 1 ? kDigits[(triple >> 6U) & 63U] : '=';
    out += left > 2 ? kDigits[triple & 63U] : '=';
  }
}

}  // namespace fastermask
