// What the builders cannot build yet is refused by name, rather than left out.
#include <gtest/gtest.h>

#include <functional>

#include "fastermask/base/error.h"
#include "fastermask/config/config.h"
#include "fastermask/graph/network.h"

namespace fastermask {
namespace {

std::string refusal_of(const std::function<void(Config&)>& change) {
  Config config;
  change(config);
  try {
    build_network(config);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(BuildNetwork, AcceptsTheDefaults) {
  EXPECT_EQ(refusal_of([](Config&) {}), "accepted");
}

TEST(BuildNetwork, RefusesDeformableConvolutions) {
  EXPECT_EQ(refusal_of([](Config& config) { config.model.resnets.deform_on_per_stage[1] = true; }),
            "config: MODEL.RESNETS.DEFORM_ON_PER_STAGE: not supported: deformable convolutions; they must be off in every "
            "stage");
}

TEST(BuildNetwork, RefusesProposalsFromElsewhere) {
  EXPECT_EQ(refusal_of([](Config& config) { config.model.load_proposals = true; }),
            "config: MODEL.PROPOSAL_GENERATOR.NAME: not supported: proposals from files (MODEL.LOAD_PROPOSALS); proposals "
            "come from an RPN");
  EXPECT_EQ(refusal_of([](Config& config) { config.model.proposal_generator.name = "PrecomputedProposals"; }),
            "config: MODEL.PROPOSAL_GENERATOR.NAME: not supported: PrecomputedProposals; proposals come from an RPN");
}

}  // namespace
}  // namespace fastermask
