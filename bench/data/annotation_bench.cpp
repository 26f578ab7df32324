// Times the loading of annotations of COCO train2017's size, from JSON and from the index, each in a process of its
// own.
//   bench_data make FILE.json [images] [instances]   writes generated annotations; default 118287 860001
//   bench_data load FILE.json                        loads once: seconds, peak and present memory, and whence
//   bench_data pictures|stages ...                   see pictures_bench.cpp
// FASTERMASK_CACHE=off times the parsing alone. Without these words, the program runs the benchmarks of
// loader_bench.cpp.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "data/pictures_bench.h"
#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/random.h"
#include "fastermask/data/coco.h"

namespace fastermask::bench {
namespace {

// As long as those of COCO: about 24 points a polygon, and 1.1 polygons an instance.
std::string polygon_text(Random& random, double x, double y, double radius) {
  const int points = 8 + static_cast<int>(random.uniform_int(33));
  std::string text = "[";
  for (int i = 0; i < points; ++i) {
    const double angle = 6.28318 * i / points;
    const double reach = radius * (0.6 + 0.4 * random.uniform());
    text += fmt::format("{}{:.2f},{:.2f}", i == 0 ? "" : ",", x + reach * std::cos(angle), y + reach * std::sin(angle));
  }
  return text + "]";
}

void make(const std::string& path, int images, int instances) {
  Random random(7, RandomPurpose::shuffle, 0);
  std::ofstream out(path, std::ios::binary);
  out << "{\"info\":{},\"licenses\":[],\"images\":[";
  for (int i = 0; i < images; ++i) {
    out << fmt::format(
        "{}{{\"license\":3,\"file_name\":\"{:012}.jpg\",\"coco_url\":\"http://images.example.org/train2017/"
        "{:012}.jpg\","
        "\"height\":480,\"width\":640,\"date_captured\":\"2013-11-14 16:28:13\",\"id\":{}}}",
        i == 0 ? "" : ",", i + 1, i + 1, i + 1);
  }
  out << "],\"annotations\":[";
  for (int i = 0; i < instances; ++i) {
    const double radius = 5 + 60 * random.uniform();
    const double x = 80 + 480 * random.uniform();
    const double y = 80 + 320 * random.uniform();
    std::string polygons = polygon_text(random, x, y, radius);
    if (random.uniform() < 0.1) polygons += "," + polygon_text(random, x, y, radius / 2);
    out << fmt::format(
        "{}{{\"segmentation\":[{}],\"area\":{:.4f},\"iscrowd\":0,\"image_id\":{},\"bbox\":[{:.2f},{:.2f},{:.2f},{:.2f}]"
        ","
        "\"category_id\":{},\"id\":{}}}",
        i == 0 ? "" : ",", polygons, radius * radius * 2.2, 1 + random.uniform_int(images), x - radius, y - radius,
        2 * radius, 2 * radius, 1 + random.uniform_int(80), i + 1);
  }
  out << "],\"categories\":[";
  for (int i = 1; i <= 80; ++i) out << fmt::format("{}{{\"id\":{},\"name\":\"class {}\"}}", i == 1 ? "" : ",", i, i);
  out << "]}";
}

// MiB of one line of /proc/self/status.
double status_mib(const std::string& field) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(field, 0) == 0) return std::atof(line.c_str() + field.size() + 1) / 1024;
  }
  return -1;
}

void load(const std::string& path) {
  set_console_log_level(LogLevel::warning);
  CocoOptions options;
  options.index_from_bytes = 1;
  const double before = status_mib("VmHWM");
  const auto start = std::chrono::steady_clock::now();
  const Dataset dataset = load_coco(path, "images", options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf(
      "%zu images, %zu instances in %.3f s; memory: %.0f MiB before, peak %.0f, present %.0f (of files %.0f); "
      "the table's own %.0f\n",
      dataset.records.size(), dataset.table.size(), seconds, before, status_mib("VmHWM"), status_mib("VmRSS"),
      status_mib("RssFile"), static_cast<double>(dataset.table.memory_bytes()) / 1048576);
}

}  // namespace
}  // namespace fastermask::bench

int main(int argc, char** argv) {
  const std::string command = argc > 2 ? argv[1] : "";
  if (command == "make") {
    fastermask::bench::make(argv[2], argc > 3 ? std::atoi(argv[3]) : 118287, argc > 4 ? std::atoi(argv[4]) : 860001);
  } else if (command == "load") {
    fastermask::bench::load(argv[2]);
  } else if (command == "pictures" && argc == 5) {
    fastermask::bench::run_pictures(argv[2], std::atoi(argv[3]), std::atoi(argv[4]));
  } else if (command == "stages") {
    fastermask::bench::run_stages(argv[2]);
  } else {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
      std::fprintf(
          stderr, "usage: bench_data make|load|pictures|stages ..., or options of Google Benchmark for the loader's\n");
      return 2;
    }
    benchmark::RunSpecifiedBenchmarks();
  }
}
