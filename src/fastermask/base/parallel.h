// Compute threads and loops that share them (thread_team.h says how they wait for work). LibTorch, in training, has
// threads of its own, of the same number, which take turns with these (training/threads.h).
#pragma once

#include <cstdint>

#include "fastermask/base/function_ref.h"

namespace fastermask {

// Cores this process may use: its affinity mask, and where a container limits CPU time, that limit rounded up. >= 1.
int available_cores();

// Cores' worth of processor time that a container limits this process to, rounded up; 0: no limit.
int core_limit();

// Sets the compute threads of the whole process (0: available_cores()). Call before the first heavy work.
void set_num_threads(int count);

// Compute threads a parallel_for started here would use: 1 inside a SerialScope.
int num_threads();

// Runs body(begin, end) over disjoint ranges that together cover [begin, end), each at least `grain` long (the last may
// be shorter). Ranges depend only on the arguments and num_threads(); a thread that is done with one takes the next, as
// cores that others use, too, are not equally fast. Exceptions of body reach the caller (the first
// one). Runs inline when one thread is enough, or when called inside another parallel_for or a SerialScope. Callers in
// several threads get workers of their own. `body` should leave LibTorch's operations, parallel themselves, to the caller.
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain,
                  FunctionRef<void(std::int64_t, std::int64_t)> body);

// While alive, parallel_for in this thread runs inline: for loader threads, which are parallel among themselves.
class SerialScope {
 public:
  SerialScope();
  ~SerialScope();
  SerialScope(const SerialScope&) = delete;
  SerialScope& operator=(const SerialScope&) = delete;

 private:
  bool previous_;
};

}  // namespace fastermask
