/* FasterMask from C, and from every language that calls C: detect objects with a model package.
 *
 *   fm_predictor* predictor = fm_open("model.fmm", 0.5, 0);
 *   if (!predictor) { fprintf(stderr, "%s\n", fm_last_error()); return 1; }
 *   fm_result* result = fm_predict_file(predictor, "picture.jpg");
 *   for (int i = 0; i < fm_count(result); ++i) { fm_instance instance; fm_get(result, i, &instance); ... }
 *   fm_free_result(result);
 *   fm_close(predictor);
 *
 * Functions that return a pointer return NULL on failure, those that return an int a negative number; fm_last_error()
 * then says what was wrong. Nothing throws. This interface only grows: programs built with one version run with later
 * ones of the same FM_ABI_VERSION. */
#ifndef FASTERMASK_H
#define FASTERMASK_H

#include <stddef.h>
#include <stdint.h>

#define FM_ABI_VERSION 1

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fm_predictor fm_predictor;
typedef struct fm_result fm_result;

enum fm_pixel_order { FM_BGR = 0, FM_RGB = 1 };

/* Boxes in pixels of the picture, continuous: the first pixel spans [0, 1). */
typedef struct fm_instance {
  float x1, y1, x2, y2;
  float score;
  int32_t class_index;
  const char* class_name; /* lives as long as the predictor */
  int64_t category_id;    /* of the data set the model was trained on */
  int32_t keypoints;      /* how many it has; 0 for models without */
  int32_t has_mask;       /* 1 or 0 */
} fm_instance;

/* "0.1.0", and FM_ABI_VERSION of the library in use. */
const char* fm_version(void);
int fm_abi_version(void);

/* What went wrong last in this thread; "" when nothing did. Valid until this thread's next call. */
const char* fm_last_error(void);

/* Loads a model package. threads: compute threads of the whole process, 0 for one a core. */
fm_predictor* fm_open(const char* package, double score_threshold, int threads);
void fm_close(fm_predictor* predictor); /* NULL is fine */

int fm_class_count(const fm_predictor* predictor);
const char* fm_class_name(const fm_predictor* predictor, int class_index); /* NULL when there is none */

/* Predicts; any number of threads may share a predictor. pixels: height rows of width pixels of three bytes, each row
 * row_bytes after the one before (0: 3 * width). Results are the caller's, to be freed by fm_free_result. */
fm_result* fm_predict(const fm_predictor* predictor, const uint8_t* pixels, int height, int width, ptrdiff_t row_bytes,
                      enum fm_pixel_order order);
fm_result* fm_predict_file(const fm_predictor* predictor, const char* path);
fm_result* fm_predict_encoded(const fm_predictor* predictor, const void* bytes, size_t size); /* JPEG, PNG, WebP */
void fm_free_result(fm_result* result);                                                       /* NULL is fine */

/* Instances by falling score. */
int fm_count(const fm_result* result);
int fm_get(const fm_result* result, int index, fm_instance* instance);

/* x, y, score of each keypoint: 3 * fm_instance.keypoints floats. */
int fm_get_keypoints(const fm_result* result, int index, float* values);

/* The picture's size, which masks have. */
int fm_picture_size(const fm_result* result, int* height, int* width);

/* An instance's mask, height * width bytes row by row: 1 on the object, 0 elsewhere. */
int fm_get_mask(const fm_result* result, int index, uint8_t* pixels);

/* The mask as COCO's compressed run lengths ("counts"), ending with 0; returns the bytes it needs with that 0. At most
 * `size` bytes are written; call with NULL and 0 to ask for the size. */
int fm_get_mask_rle(const fm_result* result, int index, char* counts, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* FASTERMASK_H */
