#include "fastermask/serve/batcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <utility>

#include "fastermask/base/error.h"

namespace fastermask {

Batcher::Place::Place(Place&& other) noexcept { *this = std::move(other); }

Batcher::Place& Batcher::Place::operator=(Place&& other) noexcept {
  std::swap(batcher_, other.batcher_);
  std::swap(pictures_, other.pictures_);
  std::swap(pixels_, other.pixels_);
  return *this;
}

Batcher::Place::~Place() {
  if (batcher_ == nullptr) return;
  const std::lock_guard<std::mutex> lock(batcher_->mutex_);
  batcher_->admitted_ -= pictures_;
  batcher_->admitted_pixels_ -= pixels_;
}

Batcher::Batcher(PredictPictures predict, BatcherLimits limits) : predict_(std::move(predict)), limits_(limits) {
  for (int i = 0; i < limits_.workers; ++i) threads_.emplace_back([this] { work(); });
}

Batcher::~Batcher() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  for (Job& job : jobs_) job.result.set_exception(std::make_exception_ptr(Error("serve: the server is stopping")));
}

Batcher::Place Batcher::admit(int pictures, std::int64_t pixels) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool full = admitted_ + pictures > limits_.queue;
  const bool too_large = admitted_ > 0 && admitted_pixels_ + pixels > limits_.queue_pixels;
  if (ending_ || full || too_large) return {};
  admitted_ += pictures;
  admitted_pixels_ += pixels;
  return {this, pictures, pixels};
}

std::future<BatchedResult> Batcher::submit(Image image) {
  Job job;
  job.image = std::move(image);
  job.submitted = Clock::now();
  std::future<BatchedResult> result = job.result.get_future();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_all();
  return result;
}

int Batcher::admitted() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return admitted_;
}

int Batcher::expected_wait_seconds() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::clamp(static_cast<int>(std::ceil(admitted_ * seconds_a_picture_ / limits_.workers)), 1, 600);
}

// Jobs lie in the order in which they came. To be called with the mutex.
void Batcher::give_up_on_old_jobs() {
  const Clock::time_point now = Clock::now();
  while (!jobs_.empty() &&
         std::chrono::duration<double>(now - jobs_.front().submitted).count() > limits_.wait_seconds) {
    jobs_.front().result.set_exception(std::make_exception_ptr(
        WaitedTooLong(fmt::format("the picture's turn did not come within {} s", limits_.wait_seconds))));
    jobs_.pop_front();
  }
}

// The oldest picture and the ones of its size, in their order.
std::vector<Batcher::Job> Batcher::next_batch() {
  std::vector<Job> batch;
  std::unique_lock<std::mutex> lock(mutex_);
  do {
    changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
    if (ending_) return batch;
    give_up_on_old_jobs();
  } while (jobs_.empty());
  const ImageSize size = jobs_.front().image.size();
  std::deque<Job> others;
  for (Job& job : jobs_) {
    const bool fits = job.image.height == size.height && job.image.width == size.width;
    if (fits && batch.size() < static_cast<std::size_t>(limits_.batch)) {
      batch.push_back(std::move(job));
    } else {
      others.push_back(std::move(job));
    }
  }
  jobs_ = std::move(others);
  return batch;
}

void Batcher::run(std::vector<Job> jobs) {
  const Clock::time_point start = Clock::now();
  const auto seconds = [](Clock::duration time) { return std::chrono::duration<double>(time).count(); };
  std::vector<PictureView> pictures;
  for (const Job& job : jobs) pictures.push_back({job.image.pixels.data(), job.image.height, job.image.width});
  try {
    std::vector<std::vector<Instance>> found = predict_(pictures);
    const double time = seconds(Clock::now() - start);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const double each = time / static_cast<double>(jobs.size());
      seconds_a_picture_ = seconds_a_picture_ == 0 ? each : 0.9 * seconds_a_picture_ + 0.1 * each;
    }
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      jobs[i].result.set_value(
          {std::move(found[i]), seconds(start - jobs[i].submitted), time, static_cast<int>(jobs.size())});
    }
  } catch (...) {
    for (Job& job : jobs) job.result.set_exception(std::current_exception());
  }
}

void Batcher::work() {
  while (true) {
    std::vector<Job> jobs = next_batch();
    if (jobs.empty()) return;
    run(std::move(jobs));
  }
}

}  // namespace fastermask
