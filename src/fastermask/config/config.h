// The config tree: every key of detectron2's (its first and its latest release joined), as plain structs whose members
// are the keys in lower case: MODEL.RPN.NMS_THRESH in YAML is config.model.rpn.nms_thresh here.
//
// Each key is declared twice side by side and nowhere else: the member with its type and default, and one line in
// visit() with its name, the values it may have, and a sentence on what it does. Reading, error messages, suggestions,
// dumps and docs/config.md are made from that (keys.h). Modules take the struct named after them, not the whole tree.
//
// Defaults are detectron2's (config/defaults.py) with one exception: MODEL.DEVICE is "auto" instead of "cuda".
#pragma once

#include <cstdint>
#include <string>

#include "fastermask/config/check.h"
#include "fastermask/config/data_config.h"
#include "fastermask/config/model_config.h"
#include "fastermask/config/solver_config.h"

namespace fastermask {

// GLOBAL: detectron2 keeps it for private experiments.
struct GlobalConfig {
  double hack = 1.0;

  template <class V>
  void visit(V& v) {
    v("HACK", hack, any(), "not used");
  }
};

struct Config {
  int version = 2;
  ModelConfig model;
  InputConfig input;
  DatasetsConfig datasets;
  DataLoaderConfig dataloader;
  SolverConfig solver;
  TestConfig test;
  std::string output_dir = "./output";
  std::int64_t seed = -1;
  bool cudnn_benchmark = false;
  std::string float32_precision;
  int vis_period = 0;
  GlobalConfig global;
  // The keys below are those of the Ascend ModelZoo's "Faster Mask RCNN for PyTorch".
  int amp = 0;
  std::string opt_level = "O0";
  std::string loss_scale_value = "64";
  int debug_mode = 0;

  template <class V>
  void visit(V& v) {
    v("VERSION", version, in_range(1, 2), "version of the key names; 2 is the latest");
    v.section("MODEL", model);
    v.section("INPUT", input);
    v.section("DATASETS", datasets);
    v.section("DATALOADER", dataloader);
    v.section("SOLVER", solver);
    v.section("TEST", test);
    v("OUTPUT_DIR", output_dir, any(), "folder for everything a run writes");
    v("SEED", seed, at_least(-1), "start of all random choices; -1: a new one every run");
    v("CUDNN_BENCHMARK", cudnn_benchmark, any(), "let cuDNN search for its fastest algorithms");
    v("FLOAT32_PRECISION", float32_precision, one_of({"", "highest", "high", "medium"}),
      "precision of f32 matrix products on devices that have faster, coarser ones; \"\": the device's default");
    v("VIS_PERIOD", vis_period, at_least(0), "iterations between two sets of pictures in the event file; 0: none");
    v.section("GLOBAL", global);
    v("AMP", amp, in_range(0, 1).not_in_detectron2(), "1: mixed precision at OPT_LEVEL with LOSS_SCALE_VALUE");
    v("OPT_LEVEL", opt_level, one_of({"O0", "O1", "O2", "O3"}).not_in_detectron2(),
      "of AMP: O0 f32; O1 selected layers in half precision; O2 all but normalisation; O3 all");
    v("LOSS_SCALE_VALUE", loss_scale_value, any().bare().not_in_detectron2(), "of AMP: factor of the loss, or dynamic");
    v("DEBUG_MODE", debug_mode, in_range(0, 1).not_in_detectron2(), "1: write features and gradients of every step");
  }
};

}  // namespace fastermask
