// The HTTP service of a model: its routes, limits, metrics and access log.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "fastermask/embed/predictor.h"

namespace fastermask {

struct ServiceOptions {
  std::string host = "127.0.0.1";
  int port = 8080;                 // 0: any that is free
  int batch = 4;                   // pictures predicted together at most
  int workers = 2;                 // batches predicted at the same time: one fills what the other leaves idle
  int queue = 32;                  // pictures that wait at most; beyond it 503 with Retry-After
  int connections = 64;            // answered at the same time
  double max_body_megabytes = 32;  // of a request
  double max_megapixels = 50;      // of a picture
  int max_pictures = 16;           // in one request
  double request_seconds = 10;     // for a request to arrive, and for its answer to be taken
  double idle_seconds = 5;         // between two requests of a connection
  double queue_seconds = 30;       // a picture that has waited longer is not predicted any more: 503
  double score_threshold = 0.5;    // of answers that ask for no other
  double lowest_threshold = 0.05;  // that can be asked for; the model's own
  std::string access_log;          // a file appended to; "-": stderr; empty: none
};

// Serves until SIGTERM or SIGINT, then answers what it has taken in. Those two signals must be blocked in every thread
// (block_stop_signals() before the first one starts). `on_listening` is told the port. Throws Error when the address
// cannot be used.
void run_service(const Predictor& predictor, const ServiceOptions& options,
                 const std::function<void(int port)>& on_listening);

void block_stop_signals();

}  // namespace fastermask
