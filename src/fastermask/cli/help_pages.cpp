// What each command's help says besides its options: how they are grouped, files, environment, what to read next.
#include "fastermask/base/error.h"
#include "fastermask/cli/help.h"

namespace fastermask::cli {
namespace {

const std::vector<std::string> kInt8Options = {"--calibration", "--calibration-images", "--calibration-method",
                                               "--max-ap-drop"};
const std::vector<std::string> kModelOptions = {"--model", "--config-file", "--weights", "--precision", "--exact"};
const std::vector<std::string> kDataVariables = {"FASTERMASK_DATASETS", "DETECTRON2_DATASETS", "FASTERMASK_CACHE"};

std::vector<std::string> with(std::vector<std::string> variables, const std::vector<std::string>& more) {
  variables.insert(variables.end(), more.begin(), more.end());
  return variables;
}

HelpPage train_page() {
  HelpPage page;
  page.command = "train";
  page.groups = {
      {"What to do", {"--config-file", "--resume", "--eval-only"}},
      {"Computing", {"--exact", "--threads", "--device-ids", "--plugin"}},
      {"Several processes and machines",
       {"--num-procs", "--num-machines", "--machine-rank", "--master-addr", "--master-port", "--local-addr",
        "--dist-url", "--backend", "--max-restarts", "--min-procs"}},
      {"Looking inside", {"--replay", "--dump-step", "--steps", "--sampling"}},
  };
  page.exit_status =
      "Ctrl-C and SIGTERM end a training with a checkpoint and 0; results below TEST.EXPECTED_RESULTS give 1.";
  page.files = {
      {"OUTPUT_DIR/config.yaml", "the configuration as it was used"},
      {"OUTPUT_DIR/log.txt, metrics.json", "what was logged, for people and for programs"},
      {"OUTPUT_DIR/report.html", "curves, results, pictures; opens without a network"},
      {"OUTPUT_DIR/events.out.tfevents.*", "the same for TensorBoard"},
      {"OUTPUT_DIR/model_*.pth, last_checkpoint", "checkpoints that torch.load reads, and which is the newest"},
      {"OUTPUT_DIR/model_final.pth, classes.json", "the model, and the names of its classes"},
      {"OUTPUT_DIR/inference/", "detections of DATASETS.TEST as COCO results"}};
  page.environment =
      with(kDataVariables, {"FASTERMASK_WEIGHTS", "FASTERMASK_CONFIGS", "FASTERMASK_KEEP_MEMORY", "FASTERMASK_TIMEOUT",
                            "FASTERMASK_LOCAL_ADDR", "FASTERMASK_BACKEND", "FASTERMASK_PLUGINS", "OMP_WAIT_POLICY"});
  page.see_also = {"fastermask evaluate", "docs/your_own_data.md", "docs/training.md", "docs/distributed.md",
                   "docs/config.md"};
  return page;
}

std::vector<HelpPage> model_pages() {
  const std::vector<std::string> weights = {"FASTERMASK_WEIGHTS", "FASTERMASK_CONFIGS"};
  return {
      {"evaluate",
       {{"Model", kModelOptions},
        {"Calibration", kInt8Options},
        {"Data", {"--dataset"}},
        {"Output", {"--output", "--json"}},
        {"Computing", {"--threads"}}},
       "Results that miss TEST.EXPECTED_RESULTS give 1.",
       {{"DIR/coco_instances_results.json", "all detections, as COCO wants them"},
        {"DIR/report.html", "curves of precision, classes, the worst and the best pictures"}},
       with(kDataVariables, weights),
       {"fastermask cocoeval", "fastermask predict", "docs/evaluation.md"}},
      {"predict",
       {{"Model", kModelOptions},
        {"Output", {"--output", "--score-threshold", "--json", "--csv", "--labelme", "--crops", "--masks", "--every"}},
        {"Computing", {"--batch", "--threads"}},
        {"Looking inside", {"--dump"}}},
       "A file that cannot be read among others is told at the end and gives 1; the others are done. Ctrl-C: 130.",
       {{"DIR/NAME", "a drawn picture or video an input, under its name; numbered where a name comes twice"}},
       with(weights, {"OMP_WAIT_POLICY"}),
       {"fastermask compile", "fastermask serve", "docs/predicting.md", "docs/deploying.md"}},
      {"serve",
       {{"Model", kModelOptions},
        {"Address", {"--host", "--port"}},
        {"Answers", {"--score-threshold", "--lowest-threshold", "--access-log"}},
        {"Limits",
         {"--queue", "--connections", "--max-body", "--max-megapixels", "--max-pictures", "--request-timeout",
          "--idle-timeout"}},
        {"Computing", {"--batch", "--threads"}}},
       "SIGTERM and Ctrl-C answer what was taken in, then end with 0.",
       {},
       weights,
       {"fastermask compile", "docs/serving.md"}},
      {"compile",
       {{"Model", {"--config-file", "--weights", "--precision", "--exact"}},
        {"Calibration", kInt8Options},
        {"Output", {"--output"}}},
       "",
       {{"M.fmm", "network, folded and packed weights, class names and configuration, in one file with checksums"}},
       weights,
       {"fastermask predict", "fastermask serve", "docs/deploying.md", "docs/model_package.md"}},
      {"convert", {}, "", {}, {"FASTERMASK_WEIGHTS"}, {"fastermask info weights", "docs/from_detectron2.md"}},
      {"cocoeval",
       {{"Input", {"--gt", "--dt", "--task", "--metric"}},
        {"Output", {"--json", "--per-class", "--errors", "--error-score", "--report", "--images"}},
        {"Free parameters",
         {"--max-dets", "--iou-thresholds", "--recall-points", "--area-ranges", "--image-ids", "--heed-ignore",
          "--boundary", "--class-agnostic", "--area-from-box", "--sigmas"}},
        {"Computing", {"--threads"}}},
       "",
       {},
       {},
       {"fastermask evaluate", "docs/evaluation.md"}},
  };
}

std::vector<HelpPage> other_pages() {
  return {
      {"",
       {},
       "",
       {},
       {"FASTERMASK_DATASETS", "FASTERMASK_WEIGHTS", "FASTERMASK_CONFIGS", "OMP_WAIT_POLICY"},
       {"docs/README.md", "docs/quick_start.md", "docs/troubleshooting.md"},
       {"fastermask predict --model model.fmm pictures/ --output drawn", "fastermask train --help"}},
      {"data", {}, "", {}, kDataVariables, {"docs/data.md", "docs/your_own_data.md"}},
      {"data check",
       {},
       "Errors in the data give 1; warnings alone, or errors with --fix, give 0.",
       {},
       kDataVariables,
       {"fastermask data stats", "docs/data.md"}},
      {"data stats", {}, "", {}, kDataVariables, {"fastermask data show", "docs/your_own_data.md"}},
      {"data show", {}, "", {{"DIR/NAME.jpg", "a drawn picture"}}, kDataVariables, {"docs/augmentations.md"}},
      {"data synth",
       {},
       "",
       {{"DIR/annotations/instances_{train,val}.json", "COCO annotations"},
        {"DIR/images/{train,val}/", "the pictures"}},
       {},
       {"fastermask train", "docs/quick_start.md"}},
      {"data convert",
       {},
       "",
       {},
       kDataVariables,
       {"fastermask data check", "docs/your_own_data.md", "docs/data.md"}},
      {"info", {}, "", {}, {}, {"docs/config.md", "docs/models.md"}, {"fastermask info env"}},
      {"info config", {}, "", {}, {"FASTERMASK_CONFIGS"}, {"docs/config.md"}},
      {"info weights", {}, "", {}, {"FASTERMASK_WEIGHTS"}, {"fastermask convert", "docs/from_detectron2.md"}},
      {"info model", {}, "", {}, {"FASTERMASK_CONFIGS"}, {"docs/models.md"}},
      {"info env", {}, "", {}, {"FASTERMASK_ISA"}, {"docs/troubleshooting.md"}},
      {"bench",
       {},
       "",
       {},
       {},
       {"bench/README.md"},
       {"fastermask bench infer --config-file configs/tiny/Base-RCNN-R_18-FPN.yaml"}},
      {"bench infer", {}, "", {}, {"FASTERMASK_ISA", "OMP_WAIT_POLICY"}, {"docs/deploying.md"}},
      {"bench train", {}, "", {}, {"FASTERMASK_KEEP_MEMORY", "OMP_WAIT_POLICY"}, {"docs/training.md"}},
      {"completion", {}, "", {}, {}, {}},
  };
}

}  // namespace

const std::vector<HelpPage>& help_pages() {
  static const std::vector<HelpPage> pages = [] {
    std::vector<HelpPage> all = {train_page()};
    for (const auto& more : {model_pages(), other_pages()}) all.insert(all.end(), more.begin(), more.end());
    return all;
  }();
  return pages;
}

std::string environment_text(const std::string& variable) {
  static const NamedTexts texts = {
      {"FASTERMASK_DATASETS", "folder that holds coco/, lvis/, VOC2007/, ...; otherwise ./datasets"},
      {"DETECTRON2_DATASETS", "the same, asked second"},
      {"FASTERMASK_CACHE", "folder for indices and converted annotations; off: none"},
      {"FASTERMASK_WEIGHTS", "folders that weights are looked for in, separated by ':'"},
      {"FASTERMASK_CONFIGS", "folder of the configs that come with FasterMask"},
      {"FASTERMASK_KEEP_MEMORY", "gigabytes that tensors keep for later steps; 0: LibTorch's own allocator"},
      {"FASTERMASK_TIMEOUT", "seconds that a process waits for another (300)"},
      {"FASTERMASK_LOCAL_ADDR", "this machine's address for the others, as --local-addr"},
      {"FASTERMASK_BACKEND", "what carries gradients between processes, as --backend"},
      {"FASTERMASK_PLUGINS", "libraries to load, separated by ':', as --plugin"},
      {"FASTERMASK_ISA", "generic, avx2 or avx512: the widest vector instructions to use"},
      {"OMP_WAIT_POLICY", "PASSIVE: threads that wait leave the cores to other programs"}};
  for (const auto& [name, text] : texts) {
    if (name == variable) return text;
  }
  fail("help: {} is not described", variable);
}

}  // namespace fastermask::cli
