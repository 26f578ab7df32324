// How much memory this process takes.
#pragma once

namespace fastermask {

// The most that was resident at a time since the process began, in bytes; 0 where the system does not tell.
double peak_resident_bytes();

}  // namespace fastermask
