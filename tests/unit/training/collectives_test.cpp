// What carries gradients: names, and what is refused.
#include "fastermask/training/collectives.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "fastermask/base/error.h"
#include "fastermask/training/gradient_watch.h"

namespace fastermask {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

bool in_this_build(const char* backend) { return backends_here().find(backend) != std::string::npos; }

TEST(Collectives, TheHostsGradientsGoByGloo) {
  EXPECT_EQ(resolve_backend("auto", "cpu"), "gloo");
  EXPECT_EQ(resolve_backend("gloo", "cuda:1"), "gloo");
  EXPECT_EQ(resolve_backend("auto", "privateuseone:0"), "gloo");  // no plug-in is loaded
  EXPECT_EQ(resolve_backend("auto", "cuda:1"), in_this_build("nccl") ? "nccl" : "gloo");
}

TEST(Collectives, AnUnknownWordIsRefused) {
  EXPECT_THAT(
      [] { check_backend("carrier pigeon"); },
      ThrowsMessage<UsageError>("train: --backend (FASTERMASK_BACKEND) must be auto, gloo, nccl, mpi or plugin, "
                                "got 'carrier pigeon'"));
}

TEST(Collectives, WhatIsNotInTheBuildIsRefusedWithWhatItNeeds) {
  const auto refuses = [](const char* backend, const char* needs) {
    EXPECT_THAT([&] { resolve_backend(backend, "cuda:0"); },
                ThrowsMessage<ConfigError>(
                    AllOf(HasSubstr(std::string("--backend ") + backend + " is not in this build; there is: gloo"),
                          HasSubstr(needs))));
  };
  if (!in_this_build("nccl")) refuses("nccl", "a LibTorch with CUDA and NCCL");
  if (!in_this_build("mpi")) refuses("mpi", "a LibTorch built from source with USE_MPI");
  if (in_this_build("nccl")) {
    EXPECT_THAT([] { resolve_backend("nccl", "cpu"); },
                ThrowsMessage<ConfigError>(HasSubstr("carries what lies on cuda devices")));
  }
}

TEST(Collectives, APluginMustBringItsGroup) {
  EXPECT_THAT([] { resolve_backend("plugin", "privateuseone:0"); },
              ThrowsMessage<ConfigError>(HasSubstr("exports fastermask_make_process_group; there is: gloo")));
}

TEST(GradientWatch, EndsTheProcessWhenGradientsDoNotComeBack) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto wait = [](bool comes_back) {
    GradientWatch watch("pigeons", std::chrono::milliseconds(100));
    watch.arm();
    if (comes_back) watch.disarm();
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    std::_Exit(7);
  };
  EXPECT_EXIT(wait(false), testing::ExitedWithCode(1), "gradients sent by pigeons have not come back for 0.1 s");
  EXPECT_EXIT(wait(true), testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace fastermask
