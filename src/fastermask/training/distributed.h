// One training on several processes, on LibTorch's own engine: c10d's TCPStore (who is there, and what each is doing)
// and ProcessGroupGloo (sums over processes; gradients may take another way, collectives.h). Free of LibTorch, for the
// command line and the hooks. Everything here is for one process a no-op, or what a single process would give.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace fastermask {

// This process among those of a training.
struct RankPlace {
  int rank = 0;
  int world_size = 1;
  int local_rank = 0;  // among those of this machine
  int local_size = 1;
  std::string address = "127.0.0.1";  // where rank 0 listens
  int port = 23333;
  double timeout_seconds = 300;  // of every collective; FASTERMASK_TIMEOUT
  std::string local_address;     // of this machine, for the others; "": the one it reaches `address` from
  bool address_given = false;    // by the user: not to be guessed
  std::string backend = "gloo";  // that carries gradients, as resolve_backend() says (collectives.h)
  bool store_elsewhere = false;  // another program listens at address and port, in rank 0's place
};

// The place a launcher (ours, torchrun, mpirun, srun) gave this process in its environment: RANK, WORLD_SIZE,
// LOCAL_RANK and LOCAL_WORLD_SIZE; OMPI_COMM_WORLD_*; PMI_*; SLURM_*. False when there is none. Address and port are
// taken from MASTER_ADDR and MASTER_PORT and otherwise stay; under Slurm, the address is that of the first node of the
// list. `own_launch`: this process was told to start several. Throws UsageError for values that make no sense.
bool place_from_environment(RankPlace& place, bool own_launch = false);

// The first host of Slurm's short form: "node[03-05,9],gpu1" -> "node03".
std::string first_slurm_host(const std::string& list);

namespace distributed {

// Joins the others; until the time-out it waits for all, then throws Error naming the missing ranks. Throws
// ConfigError when the ranks were told of different numbers of processes, or when one is there twice.
void start(const RankPlace& place);

// Leaves. Without it, at the end of the process, the others would report this rank as lost.
void stop();

// Tells the others why this rank is about to end, for their messages.
void report_failure(const std::string& why);

int rank();
int world_size();
inline bool is_main() { return rank() == 0; }

// Tells the others what this rank does, for their messages should it be lost: "iteration 12: forward pass".
void set_stage(const std::string& stage);

// Throws ConfigError unless `value` is the same on all ranks; `what` ("the config") names it. The message shows the
// lines in which rank 0's `detail` and another rank's differ.
void check_same(const std::string& what, const std::string& value, const std::string& detail = "");

// Rank 0's value, on all.
std::string from_main(const std::string& what, const std::string& value);

// Sums, or largest values, over the ranks, in place. Throw Error naming a rank that does not answer and its last stage.
void sum(std::vector<double>& values);
void maximum(std::vector<double>& values);

// count / (mean of count over the ranks): losses normalised by this process's count, times this, have the mean over
// the ranks that one process with all pictures would have. 1 where all counts are 0.
double share(double count);

// Blocks until rank 0 calls it too with its `value`, which all get; however long that takes, while rank 0 is alive.
std::string wait_for_main(const std::string& what, const std::string& value);

// Rank 0 takes the `pieces` of all ranks, rank by rank, in order; the others' `take` is not called. Waits for slow
// ranks while they are alive. On the way, never more than a few MiB are in memory beyond the pieces themselves.
void gather(const std::string& what, const std::vector<std::string>& pieces,
            const std::function<void(std::string_view)>& take);

// Gives a file of rank 0's to the ranks that want it, in pieces: a rank that does names the path to write.
void send_file(const std::string& path_of_main, const std::string& path_to_write);

// What this process has sent over the network so far, and how long it has waited for it.
struct Traffic {
  double seconds = 0;      // waited in collectives, other than behind the backward pass
  std::int64_t bytes = 0;  // summed over the processes: the size of the arrays, once
  std::int64_t collectives = 0;
};
Traffic traffic();

// "\nLost: rank 2, last seen in ..." for the ranks that no longer give a sign, and "\nFailed: rank 2: ..." for those
// that said why they end; "" when all do well. Takes a few seconds.
std::string lost_ranks();

// 16 hexadecimal digits (FNV-1a).
std::string hash_text(const std::string& text);

}  // namespace distributed
}  // namespace fastermask
