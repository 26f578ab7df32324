// The fixed parts of the HTML report: structure, looks and behaviour. html_report.cpp puts the data between them.
#pragma once

#include <string_view>

namespace fastermask {

// Content of <style>: light and dark colours, one column on a phone, two on a wide screen.
std::string_view html_page_style();

// Content of <body> before the pictures and the data; ids in it are what html_page_script() fills.
std::string_view html_page_body();

// JavaScript: class-free functions that draw a chart with zoom, hover and legend. Declares make_chart().
std::string_view html_page_chart_script();

// JavaScript: reads the data and fills the page. Runs after html_page_chart_script().
std::string_view html_page_script();

}  // namespace fastermask
