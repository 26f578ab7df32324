#include "fastermask/serve/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fastermask {
namespace {

using testing::HasSubstr;

TEST(Metrics, CountsByRouteAndStatus) {
  Metrics metrics;
  metrics.add_request("/v1/predict", 200, 0.02);
  metrics.add_request("/v1/predict", 200, 0.02);
  metrics.add_request("/v1/predict", 503, 0.001);
  metrics.add_picture(0.001, 0.02, 2, 5);
  metrics.add_picture(0.001, 0.02, 2, 1);
  const std::string text = metrics.text(3, 1000);
  EXPECT_THAT(text, HasSubstr("fastermask_requests_total{route=\"/v1/predict\",status=\"200\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("fastermask_requests_total{route=\"/v1/predict\",status=\"503\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE fastermask_pictures_total counter\nfastermask_pictures_total 2\n"));
  EXPECT_THAT(text, HasSubstr("fastermask_batches_total 1\n"));
  EXPECT_THAT(text, HasSubstr("fastermask_instances_total 6\n"));
  EXPECT_THAT(text, HasSubstr("fastermask_queue_pictures 3\n"));
}

TEST(Histogram, BucketsAreCumulativeAndTheirBoundsBelongToThem) {
  Histogram histogram;
  for (const double value : {0.005, 0.006, 0.5, 99.0}) histogram.add(value);
  const std::string text = histogram.text("h", "Help");
  EXPECT_THAT(text, HasSubstr("# HELP h Help\n# TYPE h histogram\n"));
  EXPECT_THAT(text, HasSubstr("h_bucket{le=\"0.005\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("h_bucket{le=\"0.01\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("h_bucket{le=\"0.5\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("h_bucket{le=\"30\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum 99.511\nh_count 4\n"));
}

}  // namespace
}  // namespace fastermask
