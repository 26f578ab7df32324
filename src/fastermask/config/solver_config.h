// SOLVER, TEST: how the network is trained and evaluated. Part of config.h, which explains the declarations.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fastermask/config/check.h"

namespace fastermask {

struct ClipGradientsConfig {
  bool enabled = false;
  std::string clip_type = "value";
  double clip_value = 1.0;
  double norm_type = 2.0;

  template <class V>
  void visit(V& v) {
    v("ENABLED", enabled, any(), "clip gradients before every step");
    v("CLIP_TYPE", clip_type, one_of({"value", "norm", "full_model"}),
      "value: each number; norm: each parameter's norm; full_model: the norm of all gradients together");
    v("CLIP_VALUE", clip_value, above(0), "largest absolute value, or largest norm");
    v("NORM_TYPE", norm_type, above(0), "p of the p-norm; .inf for the largest absolute value");
  }
};

struct AmpConfig {
  bool enabled = false;

  template <class V>
  void visit(V& v) {
    v("ENABLED", enabled, any(), "train in mixed precision");
  }
};

struct EmaConfig {
  bool enabled = false;
  double decay = 0.999;

  template <class V>
  void visit(V& v) {
    v("ENABLED", enabled, any().not_in_detectron2(),
      "keep an exponential moving average of the weights, evaluate it, and save it as model_final_ema.pth");
    v("DECAY", decay, in_range(0, 1).not_in_detectron2(), "the average's share of itself at every step");
  }
};

struct OneCycleConfig {
  double pct_start = 0.3;
  double div_factor = 25;
  double final_div_factor = 1e4;

  template <class V>
  void visit(V& v) {
    v("PCT_START", pct_start, above(0).not_in_detectron2(), "share of the iterations in which the rate rises");
    v("DIV_FACTOR", div_factor, at_least(1).not_in_detectron2(), "the first rate is BASE_LR divided by this");
    v("FINAL_DIV_FACTOR", final_div_factor, at_least(1).not_in_detectron2(),
      "the last rate is the first divided by this");
  }
};

struct SolverConfig {
  std::string lr_scheduler_name = "WarmupMultiStepLR";
  int max_iter = 40000;
  double base_lr = 0.001;
  double base_lr_end = 0.0;
  double poly_lr_power = 0.9;
  double poly_lr_constant_ending = 0.0;
  OneCycleConfig one_cycle;
  std::string optimizer = "SGD";
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 0.0001;
  double weight_decay_norm = 0.0;
  double gamma = 0.1;
  std::vector<int> steps = {30000};
  int num_decays = 3;
  double warmup_factor = 0.001;
  int warmup_iters = 1000;
  std::string warmup_method = "linear";
  bool rescale_interval = false;
  int checkpoint_period = 5000;
  int checkpoint_keep = 0;
  int accumulate = 1;
  std::string non_finite = "stop";
  bool recompute_activations = false;
  std::vector<std::string> freeze;
  EmaConfig ema;
  int ims_per_batch = 16;
  int reference_world_size = 0;
  double bias_lr_factor = 1.0;
  std::optional<double> weight_decay_bias;  // none: weight_decay
  ClipGradientsConfig clip_gradients;
  AmpConfig amp;

  template <class V>
  void visit(V& v) {
    v("LR_SCHEDULER_NAME", lr_scheduler_name,
      component({"WarmupMultiStepLR", "WarmupCosineLR", "WarmupStepWithFixedGammaLR", "WarmupPolyLR", "OneCycleLR"}),
      "learning rate schedule");
    v("MAX_ITER", max_iter, at_least(0), "iterations of the whole training");
    v("BASE_LR", base_lr, at_least(0), "learning rate after the warm-up");
    v("BASE_LR_END", base_lr_end, at_least(0), "learning rate at the end of WarmupCosineLR");
    v("POLY_LR_POWER", poly_lr_power, at_least(0).not_in_detectron2(), "of WarmupPolyLR: (1 - t / MAX_ITER)^power");
    v("POLY_LR_CONSTANT_ENDING", poly_lr_constant_ending, at_least(0).not_in_detectron2(),
      "of WarmupPolyLR: the rate's share of BASE_LR at the end, kept once reached");
    v.section("ONE_CYCLE", one_cycle);
    v("OPTIMIZER", optimizer, one_of({"SGD", "AdamW"}).not_in_detectron2(), "which optimiser");
    v("BETAS", betas, in_range(0, 1).not_empty().not_in_detectron2(),
      "of AdamW: decay of the means of gradients and of squares");
    v("EPS", eps, above(0).not_in_detectron2(), "of AdamW: keeps the division away from 0");
    v("MOMENTUM", momentum, at_least(0), "momentum of SGD");
    v("NESTEROV", nesterov, any(), "Nesterov's form of momentum");
    v("WEIGHT_DECAY", weight_decay, at_least(0), "weight decay");
    v("WEIGHT_DECAY_NORM", weight_decay_norm, at_least(0), "weight decay of normalisation layers");
    v("GAMMA", gamma, at_least(0), "factor of the learning rate at every step");
    v("STEPS", steps, at_least(0), "iterations at which the learning rate falls; those beyond MAX_ITER never come");
    v("NUM_DECAYS", num_decays, at_least(1), "steps of WarmupStepWithFixedGammaLR");
    v("WARMUP_FACTOR", warmup_factor, at_least(0), "the first iteration's share of the learning rate");
    v("WARMUP_ITERS", warmup_iters, at_least(0), "iterations of the warm-up");
    v("WARMUP_METHOD", warmup_method, one_of({"linear", "constant"}), "shape of the warm-up");
    v("RESCALE_INTERVAL", rescale_interval, any(),
      "squeeze the whole schedule into what the warm-up leaves, instead of starting it before the warm-up");
    v("CHECKPOINT_PERIOD", checkpoint_period, at_least(1), "iterations between two checkpoints");
    v("CHECKPOINT_KEEP", checkpoint_keep, at_least(0).not_in_detectron2(),
      "periodic checkpoints to keep, newest first; 0: all");
    v("ACCUMULATE", accumulate, at_least(1).not_in_detectron2(),
      "parts in which the images of an iteration are computed, one after the other, to need less memory; their "
      "gradients "
      "are averaged");
    v("RECOMPUTE_ACTIVATIONS", recompute_activations, any().not_in_detectron2(),
      "compute what residual blocks, mask and keypoint heads made in between again in the backward pass, instead of "
      "keeping it: less memory, a longer step");
    v("NON_FINITE", non_finite, one_of({"stop", "rollback"}).not_in_detectron2(),
      "when a loss or gradient is not finite: stop the training, or go back to the last checkpoint at half the rate");
    v("FREEZE", freeze, any().not_in_detectron2(),
      "parameters that are not trained, besides those of BACKBONE.FREEZE_AT: names with shell wildcards");
    v.section("EMA", ema);
    v("IMS_PER_BATCH", ims_per_batch, at_least(1), "images of an iteration, all processes together");
    v("REFERENCE_WORLD_SIZE", reference_world_size, at_least(0),
      "processes this config was written for: batch size, learning rate and iterations are scaled when another number "
      "trains; 0: never");
    v("BIAS_LR_FACTOR", bias_lr_factor, at_least(0), "factor of the learning rate of biases");
    v("WEIGHT_DECAY_BIAS", weight_decay_bias, at_least(0), "weight decay of biases; null: WEIGHT_DECAY");
    v.section("CLIP_GRADIENTS", clip_gradients);
    v.section("AMP", amp);
  }
};

struct TestAugConfig {
  bool enabled = false;
  std::vector<int> min_sizes = {400, 500, 600, 700, 800, 900, 1000, 1100, 1200};
  int max_size = 4000;
  bool flip = true;

  template <class V>
  void visit(V& v) {
    v("ENABLED", enabled, any(), "predict at several scales and merge");
    v("MIN_SIZES", min_sizes, at_least(1).not_empty(), "lengths of the shorter edge");
    v("MAX_SIZE", max_size, at_least(1), "longest edge");
    v("FLIP", flip, any(), "flipped as well at every scale");
  }
};

struct PreciseBNConfig {
  bool enabled = false;
  int num_iter = 200;

  template <class V>
  void visit(V& v) {
    v("ENABLED", enabled, any(), "recompute the statistics of BN before evaluations and checkpoints");
    v("NUM_ITER", num_iter, at_least(1), "batches they are computed from");
  }
};

// A row of TEST.EXPECTED_RESULTS: ["bbox", "AP", 38.5, 0.2].
struct ExpectedResult {
  std::string task;
  std::string metric;
  double value = 0;
  double tolerance = 0;

  bool operator==(const ExpectedResult& other) const {
    return task == other.task && metric == other.metric && value == other.value && tolerance == other.tolerance;
  }
};

struct TestConfig {
  std::vector<ExpectedResult> expected_results;
  int eval_period = 0;
  std::vector<double> keypoint_oks_sigmas;
  int detections_per_image = 100;
  TestAugConfig aug;
  PreciseBNConfig precise_bn;
  std::string best_metric;
  int early_stop = 0;
  bool validation_loss = false;

  template <class V>
  void visit(V& v) {
    v("BEST_METRIC", best_metric, any().not_in_detectron2(),
      "whose highest value so far, over the evaluations of a training, is kept as model_best.pth: segm/AP, bbox/AP50, "
      "-validation_loss, ...; \"\": the AP of the last task of bbox, segm, keypoints that the model has");
    v("EARLY_STOP", early_stop, at_least(0).not_in_detectron2(),
      "end the training when so many evaluations in a row brought no better BEST_METRIC; 0: never");
    v("VALIDATION_LOSS", validation_loss, any().not_in_detectron2(),
      "compute the training's losses on DATASETS.TEST, too, at every evaluation");
    v("EXPECTED_RESULTS", expected_results, any(),
      "rows [task, metric, value, tolerance] that an evaluation must meet, else the program fails");
    v("EVAL_PERIOD", eval_period, at_least(0), "iterations between two evaluations in training; 0: only at the end");
    v("KEYPOINT_OKS_SIGMAS", keypoint_oks_sigmas, above(0), "COCO's tolerance of each keypoint; []: COCO's own 17");
    v("DETECTIONS_PER_IMAGE", detections_per_image, at_least(-1), "best detections kept of an image; -1: all");
    v.section("AUG", aug);
    v.section("PRECISE_BN", precise_bn);
  }
};

}  // namespace fastermask
