// The numbers of a run over its iterations.
#include "fastermask/report/event_storage.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fastermask {
namespace {

TEST(EventStorage, TakesMediansOverTheLastValuesOfTheWindow) {
  ScalarHistory history;
  for (const double value : {100.0, 1.0, 5.0, 3.0}) history.add(value);
  EXPECT_EQ(history.median(3), 3.0);
  EXPECT_EQ(history.median(2), 4.0);      // the mean of the middle two
  EXPECT_EQ(history.median(1000), 4.0);   // fewer values than the window
  EXPECT_EQ(history.latest(), 3.0);
}

TEST(EventStorage, TakesAveragesOverTheWindowAndOverAll) {
  ScalarHistory history;
  for (const double value : {10.0, 2.0, 3.0}) history.add(value);
  EXPECT_EQ(history.average(2), 2.5);
  EXPECT_EQ(history.global_average(), 5.0);
}

TEST(EventStorage, KeepsTheAverageOfAllBeyondTheValuesItKeeps) {
  ScalarHistory history;
  for (int i = 0; i < 3000; ++i) history.add(i);
  EXPECT_EQ(history.global_average(), 1499.5);
  EXPECT_EQ(history.median(5000), 2499.5);  // of the last 1000
}

TEST(EventStorage, GivesNaNWithoutValuesAndForWindowsWithNaN) {
  ScalarHistory history;
  EXPECT_TRUE(std::isnan(history.median(20)));
  EXPECT_TRUE(std::isnan(history.average(20)));
  EXPECT_TRUE(std::isnan(history.global_average()));
  history.add(std::nan(""));
  history.add(1);
  history.add(2);
  EXPECT_TRUE(std::isnan(history.median(3)));
  EXPECT_EQ(history.median(2), 1.5);
}

TEST(EventStorage, ReportsWhatThisIterationPutSmoothedOrAsItIs) {
  EventStorage storage;
  for (int i = 0; i < 30; ++i) {
    storage.begin_iteration(i);
    storage.put("total_loss", i);
    storage.put("lr", i, false);
    if (i == 10) storage.put("bbox/AP", 53);
  }
  const std::map<std::string, double> expected = {{"total_loss", 19.5}, {"lr", 29.0}};  // 10 .. 29
  EXPECT_EQ(storage.latest_smoothed(20), expected);
  storage.begin_iteration(30);
  EXPECT_TRUE(storage.latest_smoothed(20).empty());
}

TEST(EventStorage, KeepsNamesInTheOrderTheyFirstCame) {
  EventStorage storage;
  for (const char* name : {"z", "a", "m", "a", "z"}) storage.put(name, 1);
  EXPECT_EQ(storage.names(), (std::vector<std::string>{"z", "a", "m"}));
  EXPECT_EQ(storage.history("b"), nullptr);
  ASSERT_NE(storage.history("a"), nullptr);
}

}  // namespace
}  // namespace fastermask
