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

TEST(BuildNetwork, RefusesDeformableConvolutionsWhereDetectron2HasNone) {
  EXPECT_EQ(
      refusal_of([](Config& config) { config.model.resnets.deform_on_per_stage[3] = true; }),
      "config: MODEL.RESNETS.DEFORM_ON_PER_STAGE: res5 of Res5ROIHeads cannot be deformable: its last entry must be "
      "false");
  EXPECT_EQ(
      refusal_of([](Config& config) {
        config.model.resnets.depth = 18;
        config.model.resnets.res2_out_channels = 64;
        config.model.resnets.deform_on_per_stage[1] = true;
      }),
      "config: MODEL.RESNETS.DEFORM_ON_PER_STAGE: depth 18 has no deformable convolutions, as in detectron2; use depth "
      "50, 101 or 152");
}

TEST(BuildNetwork, RefusesProposalGeneratorsThatContradict) {
  EXPECT_EQ(refusal_of([](Config& config) { config.model.proposal_generator.name = "RRPN"; }),
            "config: MODEL.PROPOSAL_GENERATOR.NAME: not supported: 'RRPN'; known are RPN, PrecomputedProposals");
  EXPECT_EQ(refusal_of([](Config& config) { config.model.proposal_generator.name = "PrecomputedProposals"; }),
            "config: MODEL.PROPOSAL_GENERATOR.NAME PrecomputedProposals needs MODEL.LOAD_PROPOSALS True");
  EXPECT_EQ(
      refusal_of([](Config& config) {
        config.model.load_proposals = true;
        config.model.proposal_generator.name = "PrecomputedProposals";
        config.model.meta_architecture = "ProposalNetwork";
      }),
      "config: MODEL.META_ARCHITECTURE ProposalNetwork makes proposals: MODEL.PROPOSAL_GENERATOR.NAME must be RPN");
}

}  // namespace
}  // namespace fastermask
