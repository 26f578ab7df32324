// Work done ahead by a few threads and handed over in order. Internal to the data layer.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace fastermask {

// A piece of work (a batch) of several parts (images), which threads may run at the same time; then one of them
// finishes.
class LoaderJob {
 public:
  virtual ~LoaderJob() = default;
  virtual int part_count() const = 0;
  virtual void run_part(int part) = 0;
  virtual void finish() = 0;
};

// Makes jobs with `make_next` (nullptr: no more), runs them on `threads` threads, and hands them over in the order they
// were made. At most `ahead` jobs wait or run beyond the one asked for. Without threads, pop() does the work itself.
class JobQueue {
 public:
  JobQueue(int threads, int ahead, std::function<std::unique_ptr<LoaderJob>()> make_next);
  ~JobQueue();
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;

  // The next job, finished; nullptr at the end. Rethrows what a part or make_next threw.
  std::unique_ptr<LoaderJob> pop();

  double wait_seconds() const { return wait_seconds_; }

 private:
  struct Entry {
    std::unique_ptr<LoaderJob> job;
    int next_part = 0;   // the first not yet taken by a thread
    int open_parts = 0;  // not yet done
    bool done = false;
    std::exception_ptr error;
  };

  void work();
  void fill();
  Entry* find_work();
  void run_one(std::unique_lock<std::mutex>& lock, Entry& entry);
  std::unique_ptr<LoaderJob> run_inline();

  std::function<std::unique_ptr<LoaderJob>()> make_next_;
  std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable work_available_;
  std::condition_variable job_done_;
  std::deque<std::unique_ptr<Entry>> entries_;  // in order; threads hold pointers to them while running a part
  bool stop_ = false;
  bool ended_ = false;
  double wait_seconds_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace fastermask
