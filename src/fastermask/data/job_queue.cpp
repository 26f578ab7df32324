#include "fastermask/data/job_queue.h"

#include <algorithm>
#include <chrono>

#include "fastermask/base/parallel.h"

namespace fastermask {

JobQueue::JobQueue(int threads, int ahead, std::function<std::unique_ptr<LoaderJob>()> make_next)
    : make_next_(std::move(make_next)), capacity_(static_cast<std::size_t>(std::max(ahead, 0)) + 1) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

JobQueue::~JobQueue() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  work_available_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

// Makes jobs until enough are under way. Called with the lock held, which also keeps make_next_ to one thread at a
// time.
void JobQueue::fill() {
  while (!ended_ && entries_.size() < capacity_) {
    auto entry = std::make_unique<Entry>();
    try {
      entry->job = make_next_();
      if (entry->job == nullptr) {
        ended_ = true;
        break;
      }
      entry->open_parts = entry->job->part_count();
    } catch (...) {
      entry->error = std::current_exception();
      entry->done = true;
      ended_ = true;
    }
    entries_.push_back(std::move(entry));
    work_available_.notify_all();
  }
}

JobQueue::Entry* JobQueue::find_work() {
  for (const auto& entry : entries_) {
    if (!entry->done && entry->job != nullptr && entry->next_part < entry->job->part_count()) return entry.get();
  }
  return nullptr;
}

void JobQueue::run_one(std::unique_lock<std::mutex>& lock, Entry& entry) {
  const int part = entry.next_part++;
  const bool failed = entry.error != nullptr;
  lock.unlock();
  std::exception_ptr error;
  try {
    if (!failed) entry.job->run_part(part);
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  if (error && !entry.error) entry.error = error;
  if (--entry.open_parts > 0) return;
  if (!entry.error) {
    lock.unlock();
    try {
      entry.job->finish();
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error) entry.error = error;
  }
  entry.done = true;
  job_done_.notify_all();
}

void JobQueue::work() {
  const SerialScope serial;
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_) {
    fill();
    Entry* entry = find_work();
    if (entry != nullptr) {
      run_one(lock, *entry);
      continue;
    }
    job_done_.notify_all();  // the end may have been found
    work_available_.wait(lock);
  }
}

std::unique_ptr<LoaderJob> JobQueue::run_inline() {
  std::unique_ptr<LoaderJob> job = make_next_();
  if (job == nullptr) return nullptr;
  for (int part = 0; part < job->part_count(); ++part) job->run_part(part);
  job->finish();
  return job;
}

std::unique_ptr<LoaderJob> JobQueue::pop() {
  const auto start = std::chrono::steady_clock::now();
  std::unique_ptr<LoaderJob> job;
  if (threads_.empty()) {
    job = run_inline();
  } else {
    std::unique_lock<std::mutex> lock(mutex_);
    job_done_.wait(lock,
                   [this] { return (!entries_.empty() && entries_.front()->done) || (entries_.empty() && ended_); });
    if (entries_.empty()) return nullptr;
    const std::unique_ptr<Entry> entry = std::move(entries_.front());
    entries_.pop_front();
    work_available_.notify_all();
    if (entry->error) std::rethrow_exception(entry->error);
    job = std::move(entry->job);
  }
  wait_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return job;
}

}  // namespace fastermask
