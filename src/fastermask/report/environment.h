// What a run stood on: program, machine and libraries, for bug reports and for the report of a training.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace fastermask {

// (name, value) in the order shown: versions, compiler, system, processor, cores, instruction set, memory, libraries.
// What the system does not tell is "unknown". Never throws for that.
std::vector<std::pair<std::string, std::string>> environment_facts();

}  // namespace fastermask
