// Memory that stays: activations come and go by the hundred megabytes, and giving them back to the kernel after each
// step costs a page fault for every 4 KiB of the next one.
#pragma once

namespace fastermask {

// Makes the C library's allocator keep freed memory for reuse instead of returning it. Call before the first big
// allocation. $FASTERMASK_KEEP_MEMORY=0 turns it off.
void keep_freed_memory();

}  // namespace fastermask
