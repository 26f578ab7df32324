// Who this process is, from what launchers leave in the environment.
#include <cstdlib>
#include <string>

#include "fastermask/base/error.h"
#include "fastermask/training/distributed.h"

namespace fastermask {
namespace {

// An integer of the environment. Slurm writes "4(x2)" for 4 on each of 2 nodes.
bool read_number(const char* name, int& number) {
  const char* text = std::getenv(name);
  if (text == nullptr) return false;
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (end == text || (*end != '\0' && *end != '(') || value < 0 || value > 1000000)
    fail<UsageError>("train: the environment's {} must be a number, got '{}'", name, text);
  number = static_cast<int>(value);
  return true;
}

struct LauncherNames {
  const char *rank, *world_size, *local_rank, *local_size;
};
constexpr LauncherNames kSlurm = {"SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"};
constexpr LauncherNames kLaunchers[] = {
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
    kSlurm,
};

bool place_from(const LauncherNames& names, RankPlace& place) {
  int rank = 0, world_size = 0;
  if (!read_number(names.rank, rank) || !read_number(names.world_size, world_size)) return false;
  // Many an environment says that there is one; only our launcher's word holds against --num-procs.
  if (world_size < 2 && std::getenv("FASTERMASK_LAUNCHED") == nullptr) return false;
  if (rank >= world_size) {
    fail<UsageError>("train: the environment has {}={}, which must be below {}={}", names.rank, rank, names.world_size,
                     world_size);
  }
  place.rank = rank;
  place.world_size = world_size;
  place.local_rank = 0;
  place.local_size = 1;
  read_number(names.local_rank, place.local_rank);
  if (!read_number(names.local_size, place.local_size)) place.local_size = place.local_rank + 1;
  return true;
}

}  // namespace

std::string first_slurm_host(const std::string& list) {
  const std::size_t bracket = list.find('['), comma = list.find(',');
  if (bracket == std::string::npos || comma < bracket) return list.substr(0, comma);
  const std::size_t close = list.find(']', bracket);
  const std::size_t number_end = list.find_first_of("-,]", bracket + 1);
  if (close == std::string::npos) return list;
  const std::size_t rest = list.find(',', close);  // what follows the bracket belongs to the name
  return list.substr(0, bracket) + list.substr(bracket + 1, number_end - bracket - 1) +
         list.substr(close + 1, rest == std::string::npos ? rest : rest - close - 1);
}

bool place_from_environment(RankPlace& place, bool own_launch) {
  for (const LauncherNames& names : kLaunchers) {
    const bool slurm = names.rank == kSlurm.rank;
    // A batch script of several tasks has Slurm's variables, too: there, --num-procs means what it says.
    if (slurm && own_launch && std::getenv("SLURM_STEP_ID") == nullptr) continue;
    if (!place_from(names, place)) continue;
    if (slurm) {
      for (const char* nodes : {"SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST"}) {
        const char* list = std::getenv(nodes);
        if (list == nullptr || place.address_given) continue;
        place.address = first_slurm_host(list);
        break;
      }
    }
    if (const char* address = std::getenv("MASTER_ADDR")) place.address = address;
    read_number("MASTER_PORT", place.port);
    // torchrun's agent keeps the store itself when it says so.
    const char* agent = std::getenv("TORCHELASTIC_USE_AGENT_STORE");
    place.store_elsewhere = names.rank == kLaunchers[0].rank && agent != nullptr && std::string(agent) == "True";
    return true;
  }
  return false;
}

}  // namespace fastermask
