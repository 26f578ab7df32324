/* Prints what a model package sees in pictures, in C: predict_picture_c MODEL.fmm SCORE PICTURE... */
#include <fastermask.h>
#include <stdio.h>
#include <stdlib.h>

/* Pixels on the object. */
static int mask_area(const fm_result* result, int index) {
  int height = 0, width = 0, area = 0;
  fm_picture_size(result, &height, &width);
  uint8_t* mask = malloc((size_t)height * (size_t)width);
  if (mask != NULL && fm_get_mask(result, index, mask) == 0) {
    for (int i = 0; i < height * width; ++i) area += mask[i];
  }
  free(mask);
  return area;
}

int main(int argc, char** argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: %s MODEL.fmm SCORE PICTURE...\n", argv[0]);
    return 2;
  }
  fm_predictor* predictor = fm_open(argv[1], atof(argv[2]), 0);
  if (predictor == NULL) {
    fprintf(stderr, "%s\n", fm_last_error());
    return 1;
  }
  int status = 0;
  for (int i = 3; i < argc; ++i) {
    fm_result* result = fm_predict_file(predictor, argv[i]);
    if (result == NULL) {
      fprintf(stderr, "%s\n", fm_last_error());
      status = 1;
      continue;
    }
    for (int k = 0; k < fm_count(result); ++k) {
      fm_instance instance;
      if (fm_get(result, k, &instance) != 0) continue;
      printf("%s: %s %.3f, box %.1f %.1f %.1f %.1f, mask of %d pixels\n", argv[i], instance.class_name, instance.score,
             instance.x1, instance.y1, instance.x2, instance.y2, mask_area(result, k));
    }
    fm_free_result(result);
  }
  fm_close(predictor);
  return status;
}
