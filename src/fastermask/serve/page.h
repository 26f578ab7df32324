// The page at `/`: one file with its style and script, nothing loaded from elsewhere.
#pragma once

#include <string>
#include <string_view>

namespace fastermask {

std::string serve_page();

// Its parts.
std::string_view serve_page_style();  // on top of html_page_style(), the reports'
std::string_view serve_page_body();
std::string_view serve_page_mask_script();  // masks, colours, drawing
std::string_view serve_page_script();       // what happens when

}  // namespace fastermask
