// INPUT, DATASETS, DATALOADER: what the network is fed with. Part of config.h, which explains the declarations.
#pragma once

#include <string>
#include <vector>

#include "fastermask/config/check.h"

namespace fastermask {

struct CropConfig {
  bool enabled = false;
  std::string type = "relative_range";
  std::vector<double> size = {0.9, 0.9};

  template <class V>
  void visit(V& v) {
    v("ENABLED", enabled, any(), "cut a random part out of every training image");
    v("TYPE", type, one_of({"relative", "relative_range", "absolute", "absolute_range"}), "what SIZE means");
    v("SIZE", size, above(0).length(2), "(height, width) of the part: shares of the image, or pixels");
  }
};

struct InputConfig {
  std::vector<int> min_size_train = {800};
  std::string min_size_train_sampling = "choice";
  int max_size_train = 1333;
  int min_size_test = 800;
  int max_size_test = 1333;
  std::string random_flip = "horizontal";
  CropConfig crop;
  std::string format = "BGR";
  std::string mask_format = "polygon";
  std::vector<int> fix_shape;
  std::vector<std::string> augmentations;

  template <class V>
  void visit(V& v) {
    v("MIN_SIZE_TRAIN", min_size_train, at_least(0).not_empty(),
      "lengths the shorter edge of a training image is scaled to, one of them at random; 0 leaves images as they are");
    v("MIN_SIZE_TRAIN_SAMPLING", min_size_train_sampling, one_of({"choice", "range"}),
      "choice: one of MIN_SIZE_TRAIN; range: any length between its two entries");
    v("MAX_SIZE_TRAIN", max_size_train, at_least(1), "longest edge of a scaled training image");
    v("MIN_SIZE_TEST", min_size_test, at_least(0),
      "length the shorter edge is scaled to in inference; 0 leaves images as they are");
    v("MAX_SIZE_TEST", max_size_test, at_least(1), "longest edge of a scaled image in inference");
    v("RANDOM_FLIP", random_flip, one_of({"horizontal", "vertical", "none"}), "flip half of the training images");
    v.section("CROP", crop);
    v("FORMAT", format, component({"BGR", "RGB"}), "order of the colour channels that the network sees");
    v("MASK_FORMAT", mask_format, one_of({"polygon", "bitmask"}), "how ground-truth masks are kept in training");
    v("FIX_SHAPE", fix_shape, at_least(1).bare().not_in_detectron2(),
      "(width, height) that every training image is padded to; []: only as far as the batch needs");
    v("AUGMENTATIONS", augmentations, any().not_in_detectron2(),
      "augmentations of training images in order, such as `RandomFlip(prob=0.5)`; with any, MIN_SIZE_TRAIN, "
      "MIN_SIZE_TRAIN_SAMPLING, MAX_SIZE_TRAIN, RANDOM_FLIP and CROP are not used. See the end of this page");
  }
};

struct DatasetsConfig {
  std::vector<std::string> train;
  std::vector<std::string> proposal_files_train;
  int precomputed_proposal_topk_train = 2000;
  std::vector<std::string> test;
  std::vector<std::string> proposal_files_test;
  int precomputed_proposal_topk_test = 1000;
  std::vector<std::string> class_names;
  std::vector<std::string> keypoint_names;

  template <class V>
  void visit(V& v) {
    v("TRAIN", train, any(),
      "data sets to train on: registered names, ANNOTATIONS.json:IMAGE_FOLDER, or VOC_FOLDER@SPLIT");
    v("PROPOSAL_FILES_TRAIN", proposal_files_train, any(), "file of proposals for each of them");
    v("PRECOMPUTED_PROPOSAL_TOPK_TRAIN", precomputed_proposal_topk_train, at_least(1),
      "best proposals used of an image in training");
    v("TEST", test, any(),
      "data sets to evaluate on: registered names, ANNOTATIONS.json:IMAGE_FOLDER, or VOC_FOLDER@SPLIT");
    v("PROPOSAL_FILES_TEST", proposal_files_test, any(), "file of proposals for each of them");
    v("PRECOMPUTED_PROPOSAL_TOPK_TEST", precomputed_proposal_topk_test, at_least(1),
      "best proposals used of an image in inference");
    v("CLASS_NAMES", class_names, any().not_in_detectron2(),
      "names of the classes, NUM_CLASSES of them, in place of the data set's; []: the data set's");
    v("KEYPOINT_NAMES", keypoint_names, any().not_in_detectron2(),
      "names of the keypoints, in place of the data set's; names with left and right swap in a flip");
  }
};

struct DataLoaderConfig {
  int num_workers = 4;
  bool aspect_ratio_grouping = true;
  std::string sampler_train = "TrainingSampler";
  double repeat_threshold = 0.0;
  bool repeat_sqrt = true;
  double random_subset_ratio = 1.0;
  bool filter_empty_annotations = true;
  double max_bad_share = 0.1;

  template <class V>
  void visit(V& v) {
    v("NUM_WORKERS", num_workers, at_least(0), "threads that read and augment images; 0: the training thread itself");
    v("ASPECT_RATIO_GROUPING", aspect_ratio_grouping, any(),
      "batches of wide images and of tall images, so that less is padded");
    v("SAMPLER_TRAIN", sampler_train,
      component({"TrainingSampler", "RepeatFactorTrainingSampler", "ClassAwareSampler", "RandomSubsetTrainingSampler"}),
      "order of the training images; RepeatFactorTrainingSampler repeats images with rare classes; ClassAwareSampler "
      "draws a class, all alike, and then an image that has it; RandomSubsetTrainingSampler keeps to a random part of "
      "the images");
    v("REPEAT_THRESHOLD", repeat_threshold, at_least(0), "share of images below which a class is rare");
    v("REPEAT_SQRT", repeat_sqrt, any(), "repeat by the square root of REPEAT_THRESHOLD / share, not by the ratio");
    v("RANDOM_SUBSET_RATIO", random_subset_ratio, in_range(0, 1).not_in_detectron2(),
      "share of the images that RandomSubsetTrainingSampler keeps to");
    v("FILTER_EMPTY_ANNOTATIONS", filter_empty_annotations, any(), "leave images without objects out of training");
    v("MAX_BAD_SHARE", max_bad_share, in_range(0, 1).not_in_detectron2(),
      "share of the training images, and of the annotations, that may be unusable: they are logged and left out; "
      "beyond "
      "it the run stops");
  }
};

}  // namespace fastermask
