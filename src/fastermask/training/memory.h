// Memory that stays: activations come and go by the hundred megabytes, and giving them back to the kernel after each
// step costs a page fault for every 4 KiB of the next one.
#pragma once

#include <exception>
#include <string>

namespace fastermask {

// Makes LibTorch's large CPU tensors come from the shared arena (base/memory_arena.h), and the C library's allocator
// keep freed memory for reuse instead of returning it. Call before the first tensor. $FASTERMASK_KEEP_MEMORY: the
// gigabytes that may lie unused (default: half of the machine's memory), 0 turns it off; throws Error when it is no
// number.
void keep_freed_memory();

// When `error` says that memory ran out (std::bad_alloc, LibTorch's allocator): how much was wanted, as far as that is
// known, and how much the machine has left: "1.9 GiB wanted, 0.7 GiB available". "" for all other errors.
std::string memory_shortage(const std::exception& error);

}  // namespace fastermask
