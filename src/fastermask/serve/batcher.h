// The queue between requests and the threads that predict. Pictures of different requests that wait at the same
// time are predicted together when they have the same size: then none is padded, and what a client gets does not depend
// on who else asked.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/embed/predictor.h"
#include "fastermask/structures/image.h"

namespace fastermask {

// What a picture's prediction gave, and how long it took.
struct BatchedResult {
  std::vector<Instance> instances;
  double queue_seconds = 0;    // from submit() to the start of its batch
  double predict_seconds = 0;  // of its batch
  int batch_size = 0;
};

struct BatcherLimits {
  int batch = 4;                            // pictures predicted together at most
  int queue = 32;                           // pictures admitted and not answered yet
  std::int64_t queue_pixels = 200'000'000;  // their pixels; a single picture is admitted whatever its size
  double wait_seconds = 30;                 // a picture whose turn has not come by then is not predicted any more
  int workers = 1;                          // batches that are predicted at the same time
};

// What a picture gets whose turn did not come within wait_seconds.
class WaitedTooLong : public Error {
  using Error::Error;
};

// Thread-safe.
class Batcher {
 public:
  using PredictPictures = std::function<std::vector<std::vector<Instance>>(const std::vector<PictureView>&)>;

  Batcher(PredictPictures predict, BatcherLimits limits);
  ~Batcher();  // answers what waits with an error
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  // A place in the queue, given back on destruction. Memory for a picture is taken only after it has its place.
  class Place {
   public:
    Place() = default;
    Place(Batcher* batcher, int pictures, std::int64_t pixels)
        : batcher_(batcher), pictures_(pictures), pixels_(pixels) {}
    Place(Place&& other) noexcept;
    Place& operator=(Place&& other) noexcept;
    ~Place();
    explicit operator bool() const { return batcher_ != nullptr; }

   private:
    Batcher* batcher_ = nullptr;
    int pictures_ = 0;
    std::int64_t pixels_ = 0;
  };

  // Places for that many pictures with that many pixels in all; an empty Place (false) when the queue is full.
  Place admit(int pictures, std::int64_t pixels);

  // Queues a BGR picture. The future holds its instances, or the error that predicting it gave, or WaitedTooLong.
  std::future<BatchedResult> submit(Image image);

  // Pictures that are admitted and not answered yet.
  int admitted() const;

  // How long a new picture would wait, in whole seconds, at least 1: for Retry-After.
  int expected_wait_seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Job {
    Image image;
    std::promise<BatchedResult> result;
    Clock::time_point submitted;
  };

  void work();
  std::vector<Job> next_batch();
  void give_up_on_old_jobs();
  void run(std::vector<Job> jobs);

  PredictPictures predict_;
  BatcherLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  int admitted_ = 0;
  std::int64_t admitted_pixels_ = 0;
  double seconds_a_picture_ = 0;  // of one worker; moving average
  bool ending_ = false;
  std::vector<std::thread> threads_;  // last: they use the others
};

}  // namespace fastermask
