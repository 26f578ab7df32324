#include "fastermask/training/precise_bn.h"

#include <map>
#include <set>
#include <string>

#include "fastermask/base/log.h"
#include "fastermask/training/data_parallel.h"
#include "fastermask/training/distributed.h"

namespace fastermask {
namespace {

constexpr const char* kPreciseBn = "engine.hooks";

// Running statistics of the norms that take batch statistics while training.
std::map<std::string, at::Tensor> batch_statistics(const TrainableRcnn& model) {
  std::map<std::string, at::Tensor> statistics;
  for (const Graph* graph : model.network().graphs()) {
    for (const Layer& layer : graph->layers) {
      if (layer.type != LayerType::normalisation ||
          (layer.norm != NormType::batch && layer.norm != NormType::sync_batch))
        continue;
      for (const char* suffix : {".running_mean", ".running_var"}) {
        statistics.emplace(layer.name + suffix, model.parameters().tensor(layer.name + suffix));
      }
    }
  }
  return statistics;
}

class PreciseBnHook : public TrainerHook {
 public:
  void after_step(Trainer& trainer, const StepRecord& record) override {
    const int period = trainer.config().test.eval_period;
    const bool last = record.iteration + 1 == trainer.max_iteration();
    if (!last && (period == 0 || (record.iteration + 1) % period != 0)) return;
    const Config& config = trainer.config();
    // With several processes each takes its part of a batch: norms that are synchronised then see all of it.
    LoaderOptions options =
        make_training_loader_options(config, trainer.model().network().size_divisibility, trainer.seed(),
                                     distributed::rank(), distributed::world_size());
    options.batch_size /= config.solver.accumulate;
    // Batches of its own, as a function of the iteration: a resumed run takes the same ones.
    const std::shared_ptr<const Dataset> dataset(std::shared_ptr<const Dataset>(), &trainer.dataset());
    TrainingLoader loader(dataset, options, (record.iteration + 1) * config.solver.accumulate);
    update_precise_bn(trainer.model(), loader, config.test.precise_bn.num_iter, trainer.seed());
  }
};

}  // namespace

int update_precise_bn(TrainableRcnn& model, TrainingLoader& loader, int iterations, std::uint64_t seed) {
  std::map<std::string, at::Tensor> statistics = batch_statistics(model);
  if (statistics.empty()) {
    log_info(kPreciseBn, "PreciseBN is disabled because model does not contain BN layers in training mode.");
    return 0;
  }
  log_info(kPreciseBn, "Running precise-BN for {} iterations...", iterations);
  const at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> means;
  for (const auto& [name, tensor] : statistics) means[name] = at::zeros_like(tensor);
  model.set_norm_momentum(1);  // the running statistics become the batch's own
  for (int i = 0; i < iterations; ++i) {
    StepContext context;
    context.iteration = i;
    context.seed = seed;
    place_in_batch(context);
    Batch batch = loader.next();
    pad_to_largest(batch);
    model.compute_losses(batch, context);
    for (auto& [name, mean] : means) mean += (statistics.at(name) - mean) / (i + 1);
  }
  model.set_norm_momentum(0.1);
  for (auto& [name, tensor] : statistics) tensor.copy_(means.at(name));
  return static_cast<int>(statistics.size() / 2);
}

std::unique_ptr<TrainerHook> make_precise_bn_hook() { return std::make_unique<PreciseBnHook>(); }

}  // namespace fastermask
