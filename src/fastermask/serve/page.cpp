#include "fastermask/serve/page.h"

#include "fastermask/report/html_page.h"

namespace fastermask {

std::string serve_page() {
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>FasterMask</title>\n"
      "<link rel=\"icon\" href=\"data:,\">\n<style>\n";
  page += html_page_style();
  page += serve_page_style();
  page += "</style>\n</head>\n<body>\n";
  page += serve_page_body();
  page += "<script>\n";
  page += serve_page_mask_script();
  page += serve_page_script();
  page += "</script>\n</body>\n</html>\n";
  return page;
}

}  // namespace fastermask
