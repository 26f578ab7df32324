// Ctrl-C for commands that have something to bring to an end: files half written, videos without their index.
#pragma once

namespace fastermask::cli {

// From now on the first SIGINT or SIGTERM only sets a mark; the second one ends the program at once.
void catch_stop_signals();

bool stop_was_asked();

}  // namespace fastermask::cli
