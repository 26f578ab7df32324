// cpp-httplib's server with limits on the time of a whole request: a client that sends or reads slowly, or not at all,
// holds a connection's thread no longer than that, and only for a moment while other connections wait for a thread.
#pragma once

#include <httplib.h>

#include <atomic>
#include <cstddef>
#include <string>

namespace fastermask {

class TimedServer : public httplib::Server {
 public:
  // request_seconds: for a request to arrive from its first byte on, and again for its answer to be taken.
  // idle_seconds: between the requests of a connection.
  // request_bytes: of a whole request, its headers among them, which cpp-httplib takes without end; what is larger is
  // cut off.
  TimedServer(double request_seconds, double idle_seconds, std::size_t request_bytes)
      : request_seconds_(request_seconds), idle_seconds_(idle_seconds), request_bytes_(request_bytes) {}

  // Takes the address; port 0 is any that is free. The port, or -1 when it cannot be had, as when another program
  // (another of these servers, too) listens there.
  int bind(const std::string& host, int port);

  // Connections answered at the same time, each by a thread; others wait.
  void set_connections(int count);

  // No connection begins another request; listen_after_bind() returns when those under way are answered.
  void stop_gracefully();
  bool stopping() const { return stopping_; }

  // The connection whose request the calling thread answers is closed after it: for requests not read to their end.
  static void close_this_connection();

 private:
  bool process_and_close_socket(socket_t socket) override;

  double request_seconds_;
  double idle_seconds_;
  std::size_t request_bytes_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> waiting_{0};  // connections without a thread
};

}  // namespace fastermask
