// Where a training step's time goes: stages of the forward pass as they are entered, and of the backward pass as
// gradients cross the borders between them. For `fastermask bench train`.
#pragma once

#include <chrono>
#include <deque>
#include <string>

#include "fastermask/training/tensor.h"

namespace fastermask {

class StepClock {
 public:
  struct Stage {
    std::string name;
    double forward = 0;  // seconds
    double backward = 0;
    double forward_flops = 0;  // multiplications and additions of convolutions and linear layers, the direct way
    double backward_flops = 0;
  };

  // From here on time belongs to this stage, of the forward or (after begin_backward()) of the backward pass.
  void enter(const std::string& stage);
  const std::string& current() const;  // "" before the first
  void begin_backward();
  void stop();  // the time from here to the next enter() is nobody's

  // `value`, as what comes after the stage reads it: when its gradient arrives, the backward pass of `stage` begins.
  at::Tensor border(const at::Tensor& value, const std::string& stage);

  // Counts a layer's work in the current stage: `flops` forward, and again for each gradient that is asked for.
  void count(double flops, int gradients);

  void clear() { stages_.clear(); }
  const std::deque<Stage>& stages() const { return stages_; }  // in the order of their first entry

 private:
  Stage& stage(const std::string& name);
  void account();

  std::deque<Stage> stages_;  // stays in place as it grows
  Stage* current_ = nullptr;
  bool backward_ = false;
  std::chrono::steady_clock::time_point since_;
};

}  // namespace fastermask
