#include "fastermask/cli/data_picture.h"

#include "fastermask/report/draw.h"

namespace fastermask::cli {

Image annotated_picture(const Dataset& dataset, const ImageRecord& record, MapperOptions options, Random random) {
  options.masks = true;
  options.keep_maskless = true;
  options.keypoints = !dataset.keypoint_names.empty();
  const TrainingSample sample = map_for_training(dataset, record, options, random);
  const GroundTruth& truth = sample.ground_truth;
  DrawOptions draw;
  draw.skeleton = dataset.skeleton;
  return draw_ground_truth(sample.image, truth.boxes, truth.classes, truth.masks, truth.keypoints, dataset.class_names,
                           draw);
}

}  // namespace fastermask::cli
