// What an optimiser does to all parameters in a step: they are cut into pieces of one size, and the threads share those.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>

#include "fastermask/base/parallel.h"
#include "fastermask/training/optimizer.h"

namespace fastermask {
namespace {

constexpr std::int64_t kPiece = 1 << 15;  // numbers

// The gradient in the memory order of its parameter, so that one loop can walk both.
at::Tensor aligned_gradient(const at::Tensor& parameter) {
  const at::Tensor& gradient = parameter.grad();
  if (gradient.strides() == parameter.strides()) return gradient;
  return at::empty_like(parameter).copy_(gradient);
}

struct Piece {
  std::size_t tensor = 0;
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

std::vector<Piece> cut(const std::vector<at::Tensor>& tensors) {
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::int64_t count = tensors[i].defined() ? tensors[i].numel() : 0;
    for (std::int64_t begin = 0; begin < count; begin += kPiece)
      pieces.push_back({i, begin, std::min(kPiece, count - begin)});
  }
  return pieces;
}

void for_all(const std::vector<Piece>& pieces, const std::function<void(std::size_t piece)>& body) {
  parallel_for(0, static_cast<std::int64_t>(pieces.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(static_cast<std::size_t>(i));
  });
}

// The largest size of some numbers by its bits, which are in the order of sizes: infinity's, and above them NaN's.
std::uint32_t largest_bits(const float* numbers, std::int64_t count) {
  std::uint32_t largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, numbers + i, sizeof bits);
    largest = std::max(largest, bits & 0x7fffffffu);
  }
  return largest;
}

bool is_finite(std::uint32_t bits) { return bits < 0x7f800000u; }

float as_float(std::uint32_t bits) {
  float number = 0;
  std::memcpy(&number, &bits, sizeof number);
  return number;
}

// The sum of powers of sizes; of an infinite power the largest size.
double power_sum(const float* numbers, std::int64_t count, double power) {
  if (std::isinf(power)) return static_cast<double>(as_float(largest_bits(numbers, count)));
  double sum = 0;
  if (power != 2) {
    for (std::int64_t i = 0; i < count; ++i) sum += std::pow(std::fabs(static_cast<double>(numbers[i])), power);
    return sum;
  }
  constexpr int kLanes = 8;
  double lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane)
      lanes[lane] += static_cast<double>(numbers[i + lane]) * static_cast<double>(numbers[i + lane]);
  }
  for (; i < count; ++i) sum += static_cast<double>(numbers[i]) * static_cast<double>(numbers[i]);
  for (const double lane : lanes) sum += lane;
  return sum;
}

// Gradients' memory may have gaps where a tensor is a view.
at::Tensor dense(const at::Tensor& gradient) {
  return !gradient.defined() || gradient.is_non_overlapping_and_dense() ? gradient : gradient.contiguous();
}

}  // namespace

void Optimizer::zero_grad() {
  for (Entry& entry : entries_) entry.parameter.mutable_grad().reset();
  factor_ = 1;
}

void Optimizer::scale_gradients(double factor) { factor_ *= factor; }

std::string Optimizer::non_finite_gradient() const {
  std::vector<at::Tensor> gradients;
  for (const Entry& entry : entries_) {
    const at::Tensor& gradient = entry.parameter.grad();
    // On other devices: a sum is finite only when every term is (or the sum itself overflows, which is as bad).
    if (gradient.defined() && !gradient.is_cpu() && !std::isfinite(gradient.sum().item<double>())) return entry.name;
    gradients.push_back(gradient.defined() && gradient.is_cpu() ? dense(gradient) : at::Tensor());
  }
  const std::vector<Piece> pieces = cut(gradients);
  std::vector<std::uint32_t> largest(pieces.size());
  for_all(pieces, [&](std::size_t i) {
    largest[i] = largest_bits(gradients[pieces[i].tensor].data_ptr<float>() + pieces[i].begin, pieces[i].count);
  });
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (!is_finite(largest[i])) return entries_[pieces[i].tensor].name;
  }
  return "";
}

std::vector<double> Optimizer::gradient_norms(double norm_type) const {
  std::vector<double> norms(entries_.size(), 0.0);
  std::vector<at::Tensor> gradients;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const at::Tensor& gradient = entries_[i].parameter.grad();
    if (gradient.defined() && !gradient.is_cpu()) norms[i] = gradient.norm(norm_type).item<double>();
    gradients.push_back(gradient.defined() && gradient.is_cpu() ? dense(gradient) : at::Tensor());
  }
  const std::vector<Piece> pieces = cut(gradients);
  std::vector<double> sums(pieces.size());
  for_all(pieces, [&](std::size_t i) {
    sums[i] = power_sum(gradients[pieces[i].tensor].data_ptr<float>() + pieces[i].begin, pieces[i].count, norm_type);
  });
  const bool largest = std::isinf(norm_type);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    double& norm = norms[pieces[i].tensor];
    norm = largest ? std::max(norm, sums[i]) : norm + sums[i];
  }
  for (std::size_t i = 0; i < norms.size() && !largest; ++i) {
    if (gradients[i].defined()) norms[i] = std::pow(norms[i], 1 / norm_type);
  }
  for (double& norm : norms) norm *= std::fabs(factor_);
  return norms;
}

std::vector<double> Optimizer::clip_factors() const {
  const ClipGradientsConfig& clip = solver_.clip_gradients;
  std::vector<double> factors(entries_.size(), 1.0);
  if (!clip.enabled || clip.clip_type == "value") return factors;
  const auto factor_of = [&clip](double norm) { return std::min(1.0, clip.clip_value / (norm + 1e-6)); };
  const std::vector<double> norms = gradient_norms(clip.norm_type);
  double total = 0;
  for (std::size_t i = 0; i < norms.size(); ++i) {
    factors[i] = factor_of(norms[i]);
    total = std::isinf(clip.norm_type) ? std::max(total, norms[i]) : total + std::pow(norms[i], clip.norm_type);
  }
  if (clip.clip_type == "full_model") {
    if (!std::isinf(clip.norm_type)) total = std::pow(total, 1 / clip.norm_type);
    factors.assign(factors.size(), factor_of(total));
  }
  return factors;
}

double Optimizer::value_limit() const {
  const ClipGradientsConfig& clip = solver_.clip_gradients;
  return clip.enabled && clip.clip_type == "value" ? clip.clip_value : std::numeric_limits<double>::infinity();
}

void Optimizer::step(double learning_rate) {
  const at::NoGradGuard no_grad;
  const std::vector<double> clipping = clip_factors();
  const double limit = value_limit();
  ++steps_;
  std::vector<at::Tensor> gradients(entries_.size());
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    if (!entry.parameter.grad().defined()) continue;
    if (!entry.first.defined()) entry.first = at::zeros_like(entry.parameter);
    if (!entry.second.defined() && !second_buffer().empty()) entry.second = at::zeros_like(entry.parameter);
    const at::Tensor gradient = aligned_gradient(entry.parameter);
    if (entry.parameter.is_cpu()) {
      gradients[i] = gradient;
    } else {
      update_tensor(entry, (gradient * (factor_ * clipping[i])).clamp_(-limit, limit),
                    learning_rate * entry.rate_factor);
    }
  }
  const std::vector<Piece> pieces = cut(gradients);
  for_all(pieces, [&](std::size_t i) {
    const Piece& piece = pieces[i];
    const Entry& entry = entries_[piece.tensor];
    Stretch stretch;
    stretch.value = entry.parameter.data_ptr<float>() + piece.begin;
    stretch.first = entry.first.data_ptr<float>() + piece.begin;
    if (entry.second.defined()) stretch.second = entry.second.data_ptr<float>() + piece.begin;
    stretch.gradient = gradients[piece.tensor].data_ptr<float>() + piece.begin;
    stretch.count = piece.count;
    stretch.rate = learning_rate * entry.rate_factor;
    stretch.weight_decay = entry.weight_decay;
    stretch.factor = static_cast<float>(factor_ * clipping[piece.tensor]);
    stretch.limit = static_cast<float>(limit);
    update_stretch(stretch);
  });
  factor_ = 1;
}

}  // namespace fastermask
