// Proposals from files: both projects' forms, moved with the picture, and files that are something else.
#include "fastermask/runtime/proposal_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "fastermask/base/error.h"
#include "fastermask/weights/pickle.h"

namespace fastermask {
namespace {

using testing::HasSubstr;

std::string proposal_path(const std::string& name) {
  const std::string folder = testing::TempDir() + "fastermask_proposals";
  std::filesystem::create_directories(folder);
  return folder + "/" + name;
}

// A batch of one image of 20 x 10 pixels, shown at 40 x 30.
Batch batch_of(std::int64_t id, bool flipped = false) {
  Batch batch;
  batch.image_ids = {id};
  batch.file_names = {"a.jpg"};
  batch.original_sizes = {{10, 20}};
  batch.image_sizes = {{30, 40}};
  batch.flipped = {flipped};
  return batch;
}

PickleValue boxes_value(const std::vector<float>& numbers) {
  return PickleValue::array(NDArray::from({static_cast<std::int64_t>(numbers.size() / 4), 4}, numbers));
}

PickleValue floats_value(const std::vector<float>& numbers) {
  return PickleValue::array(NDArray::from({static_cast<std::int64_t>(numbers.size())}, numbers));
}

// One image, id 7, with three proposals, and image 8 with none.
PickleValue proposal_tree() {
  PickleValue tree = PickleValue::dict();
  tree.set("ids", PickleValue::list({PickleValue::integer(7), PickleValue::integer(8)}));
  tree.set("boxes", PickleValue::list({boxes_value({1, 2, 5, 6, 2, 3, 8, 9, 4, 4, 4, 9}), boxes_value({})}));
  tree.set("objectness_logits", PickleValue::list({floats_value({-1, 3, 2}), floats_value({})}));
  tree.set("bbox_mode", PickleValue::integer(0));
  return tree;
}

ProposalStore store_of(const PickleValue& tree) {
  const std::string path = proposal_path("tree.pkl");
  save_pickle(path, tree);
  return ProposalStore::load({path});
}

std::string complaint(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(ProposalStore, MovesProposalsWithThePicture) {
  const ProposalStore store = store_of(proposal_tree());
  const Proposals found = store.for_batch(batch_of(7), 10, 0).at(0);
  EXPECT_EQ(found.boxes, (Boxes{{4, 9, 16, 27}, {2, 6, 10, 18}}));  // by logit; the empty box is dropped
  EXPECT_EQ(found.logits, (std::vector<float>{3, -1}));
  EXPECT_EQ(store.for_batch(batch_of(7, true), 10, 0).at(0).boxes, (Boxes{{24, 9, 36, 27}, {30, 6, 38, 18}}));
  EXPECT_EQ(store.for_batch(batch_of(7), 1, 0).at(0).size(), 1u);
  EXPECT_EQ(store.for_batch(batch_of(7), 10, 8).at(0).size(), 1u);
  EXPECT_EQ(store.for_batch(batch_of(8), 10, 0).at(0).size(), 0u);
}

TEST(ProposalStore, ReadsDetectron1sNamesAndWidths) {
  PickleValue tree = PickleValue::dict();
  tree.set("indexes", PickleValue::list({PickleValue::string("7")}));
  tree.set("boxes", PickleValue::list({boxes_value({1, 2, 4, 5})}));
  tree.set("scores", PickleValue::list({floats_value({0.5f})}));
  tree.set("bbox_mode", PickleValue::integer(1));
  EXPECT_EQ(store_of(tree).for_batch(batch_of(7), 10, 0).at(0).boxes, (Boxes{{2, 6, 10, 21}}));
}

TEST(ProposalStore, ReadsWhatSaveProposalsWrites) {
  const std::string path = proposal_path("saved.pkl");
  save_proposals(path, {7, 9}, {{{{1, 2, 3, 4}}, {2}}, {{}, {}}});
  const ProposalStore store = ProposalStore::load({path});
  EXPECT_EQ(store.image_count(), 2u);
  EXPECT_EQ(store.for_batch(batch_of(7), 10, 0).at(0).boxes, (Boxes{{2, 6, 6, 12}}));
}

TEST(ProposalStore, SaysWhatIsMissing) {
  const ProposalStore store = store_of(proposal_tree());
  EXPECT_EQ(
      complaint([&] { store.for_batch(batch_of(3), 10, 0); }),
      "proposals: there are none for image 3 (a.jpg) among those of 2 images; check DATASETS.PROPOSAL_FILES_TRAIN and "
      "PROPOSAL_FILES_TEST");
  Batch nameless = batch_of(7);
  nameless.image_ids.clear();
  EXPECT_THAT(complaint([&] { store.for_batch(nameless, 10, 0); }), HasSubstr("runs on data sets only"));
}

TEST(ProposalStore, RefusesFilesOfAnotherKind) {
  const auto complaint_about = [](const std::string& key, PickleValue value) {
    PickleValue tree = proposal_tree();
    tree.set(key, std::move(value));
    return complaint([&] { store_of(tree); });
  };
  EXPECT_THAT(complaint([] { store_of(PickleValue::list()); }), HasSubstr("must hold a dict, got list"));
  EXPECT_THAT(complaint([] { store_of(PickleValue::dict()); }), HasSubstr("there must be a list 'ids' (or 'indexes')"));
  EXPECT_THAT(complaint_about("bbox_mode", PickleValue::integer(4)),
              HasSubstr("bbox_mode must be 0 (XYXY) or 1 (XYWH), got 4"));
  EXPECT_THAT(complaint_about("ids", PickleValue::list({PickleValue::integer(7)})),
              HasSubstr("1 ids, 2 sets of boxes"));
  EXPECT_THAT(complaint_about("ids", PickleValue::list({PickleValue::string("x"), PickleValue::integer(7)})),
              HasSubstr("image ids must be numbers, got 'x'"));
  EXPECT_THAT(complaint_about("ids", PickleValue::list({PickleValue::integer(7), PickleValue::integer(7)})),
              HasSubstr("there are proposals for image 7 already"));
  EXPECT_THAT(complaint_about("boxes", PickleValue::list({boxes_value({1, 2, 3, 4}), boxes_value({})})),
              HasSubstr("image 7: boxes must be [3, 4] for 3 scores, got [1, 4]"));
  EXPECT_THAT(complaint_about("objectness_logits", PickleValue::list({floats_value({1, 2, NAN}), floats_value({})})),
              HasSubstr("image 7: box 2 or its score is not finite"));
}

TEST(ProposalStore, BelongsToModelsWithGivenProposalsOnly) {
  Config config;
  EXPECT_EQ(load_proposal_store(config, true), nullptr);
  config.model.load_proposals = true;
  config.model.proposal_generator.name = "PrecomputedProposals";
  EXPECT_EQ(complaint([&] { load_proposal_store(config, false); }),
            "config: DATASETS.PROPOSAL_FILES_TEST is empty; MODEL.LOAD_PROPOSALS needs a file of proposals for each "
            "data set");
  config.datasets.proposal_files_train = {"nowhere.pkl"};
  config.input.crop.enabled = true;
  EXPECT_THAT(complaint([&] { load_proposal_store(config, true); }),
              HasSubstr("INPUT.CROP.ENABLED: not supported together"));
}

}  // namespace
}  // namespace fastermask
