// The training log's line, character by character.
#include "fastermask/report/console.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fastermask {
namespace {

TEST(TrainingLogLine, HasEveryFieldInItsPlace) {
  EventStorage storage;
  storage.begin_iteration(19);
  storage.put("data_time", 0.0123);
  storage.put("total_loss", 1.2344);
  storage.put("loss_cls", 0.456);
  storage.put("loss_box_reg", 0.123);
  storage.put("rpn/num_pos_anchors", 12);
  storage.put("loss_rpn_cls", 0.1115);
  storage.put("lr", 0.0004, false);
  storage.put("time", 0.25);
  // 0.25 s times 375,152 iterations: 93,788 s.
  EXPECT_EQ(training_log_line(storage, 375171),
            " eta: 1 day, 2:03:08  iter: 19  total_loss: 1.234  loss_cls: 0.456  loss_box_reg: 0.123  "
            "loss_rpn_cls: 0.112  time: 0.2500  data_time: 0.0123  lr: 0.000400");
}

TEST(TrainingLogLine, CountsTheIterationsLeftAsDetectron2Does) {
  EventStorage storage;
  storage.begin_iteration(9);
  storage.put("time", 10);
  EXPECT_EQ(training_log_line(storage, 10), " eta: 0:00:10  iter: 9  time: 10.0000");
}

TEST(TrainingLogLine, LeavesTimesOutUntilThereAreSome) {
  EventStorage storage;
  storage.begin_iteration(0);
  storage.put("total_loss", 2);
  storage.put("data_time", 0.5);
  storage.put("lr", 0.02, false);
  EXPECT_EQ(training_log_line(storage, 10), " iter: 0  total_loss: 2.000  data_time: 0.5000  lr: 0.020000");
}

TEST(TrainingLogLine, SmoothsEachNumberInItsOwnWay) {
  EventStorage storage;
  for (int i = 0; i < 40; ++i) {
    storage.begin_iteration(i);
    storage.put("total_loss", i < 20 ? 100 : i);  // median of 20 .. 39
    storage.put("time", i < 20 ? 3 : 1);          // average of all; the median of all is 2, between both halves
    storage.put("data_time", i < 20 ? 9 : 1);     // average of the last 20
    storage.put("lr", i);                         // the last
  }
  EXPECT_EQ(training_log_line(storage, 139),
            " eta: 0:03:20  iter: 39  total_loss: 29.500  time: 2.0000  data_time: 1.0000  lr: 39.000000");
}

TEST(TrainingLogLine, ShowsALossThatIsNotANumber) {
  EventStorage storage;
  storage.put("total_loss", std::nan(""));
  EXPECT_EQ(training_log_line(storage, 1), " iter: 0  total_loss: nan");
}

}  // namespace
}  // namespace fastermask
