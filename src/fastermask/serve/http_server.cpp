#include "fastermask/serve/http_server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <utility>

namespace fastermask {
namespace {

using HttpClock = std::chrono::steady_clock;

// Seconds that a silent client keeps its thread while other connections wait for one.
constexpr double kCrowdedSeconds = 0.5;

// Connections that the system keeps until they are accepted. cpp-httplib's 5 are soon exceeded by clients that come at
// the same moment; those beyond are tried again by their systems, seconds later.
constexpr int kBacklog = 1024;

thread_local bool close_connection_now = false;

HttpClock::time_point after(double seconds) {
  return HttpClock::now() + std::chrono::duration_cast<HttpClock::duration>(std::chrono::duration<double>(seconds));
}

int milliseconds_until(HttpClock::time_point end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - HttpClock::now()).count();
  return static_cast<int>(std::clamp<decltype(left)>(left, 0, 3'600'000));
}

// True when the socket is ready for `events` before `end`.
bool wait_for(int socket, short events, HttpClock::time_point end) {
  while (true) {
    pollfd waiting{socket, events, 0};
    const int ready = poll(&waiting, 1, milliseconds_until(end));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

// True when the socket has bytes before `end`; sooner false when other connections are `waiting` for threads. Waits in
// short steps, so that it sees them come.
bool wait_for_bytes(int socket, HttpClock::time_point end, const std::atomic<int>& waiting) {
  const HttpClock::time_point crowded_end = after(kCrowdedSeconds);
  while (!wait_for(socket, POLLIN, std::min(end, after(0.1)))) {
    const HttpClock::time_point now = HttpClock::now();
    if (now >= end || (waiting > 0 && now >= crowded_end)) return false;
  }
  return true;
}

// Threads for connections; counts those that have none yet.
class CountingPool : public httplib::ThreadPool {
 public:
  CountingPool(size_t threads, std::atomic<int>& waiting) : ThreadPool(threads), waiting_(waiting) {}

  void enqueue(std::function<void()> job) override {
    ++waiting_;
    ThreadPool::enqueue([this, job = std::move(job)] {
      --waiting_;
      job();
    });
  }

 private:
  std::atomic<int>& waiting_;
};

void find_address(int socket, bool peer, std::string& ip, int& port) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  if ((peer ? getpeername(socket, plain, &size) : getsockname(socket, plain, &size)) != 0) return;
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> service{};
  if (getnameinfo(plain, size, host.data(), host.size(), service.data(), service.size(),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return;
  ip = host.data();
  port = std::atoi(service.data());
}

// A socket whose reads end at one point in time, and whose writes end `seconds` after the first of them.
class TimedStream : public httplib::Stream {
 public:
  TimedStream(int socket, double seconds, size_t request_bytes, const std::atomic<int>& waiting)
      : socket_(socket),
        seconds_(seconds),
        request_bytes_(request_bytes),
        waiting_(waiting),
        read_end_(after(seconds)) {}

  bool is_readable() const override { return begin_ < end_ || wait_for_bytes(socket_, read_end_, waiting_); }
  bool is_writable() const override { return wait_for(socket_, POLLOUT, write_end()); }

  ssize_t read(char* to, size_t size) override {
    if (begin_ == end_) {
      if (taken_ > request_bytes_ || !wait_for_bytes(socket_, read_end_, waiting_)) return -1;
      const ssize_t got = recv(socket_, buffer_.data(), buffer_.size(), 0);
      if (got <= 0) return got;
      begin_ = 0;
      end_ = static_cast<size_t>(got);
      taken_ += end_;
    }
    const size_t count = std::min(size, end_ - begin_);
    std::copy_n(buffer_.data() + begin_, count, to);
    begin_ += count;
    return static_cast<ssize_t>(count);
  }

  ssize_t write(const char* from, size_t size) override {
    if (!is_writable()) return -1;
    return send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  void get_remote_ip_and_port(std::string& ip, int& port) const override { find_address(socket_, true, ip, port); }
  void get_local_ip_and_port(std::string& ip, int& port) const override { find_address(socket_, false, ip, port); }
  socket_t socket() const override { return socket_; }

  bool has_bytes() const { return begin_ < end_; }
  void begin_request() {
    taken_ = end_ - begin_;
    read_end_ = after(seconds_);
    writing_ = false;
  }

 private:
  HttpClock::time_point write_end() const {
    if (!writing_) write_end_ = after(seconds_);
    writing_ = true;
    return write_end_;
  }

  int socket_;
  double seconds_;
  size_t request_bytes_;
  const std::atomic<int>& waiting_;
  HttpClock::time_point read_end_;
  mutable HttpClock::time_point write_end_;
  mutable bool writing_ = false;
  std::array<char, 16384> buffer_;
  size_t begin_ = 0, end_ = 0;  // of what was received and not read yet
  size_t taken_ = 0;            // bytes received of this request
};

// Closes after what the client still sends has been taken for a moment: closing at once would reset the connection,
// and the client might lose the answer.
void close_gently(int socket, bool crowded) {
  shutdown(socket, SHUT_WR);
  const HttpClock::time_point end = after(crowded ? 0.05 : 1);
  std::array<char, 16384> ignored;
  while (wait_for(socket, POLLIN, end) && HttpClock::now() < end) {
    if (recv(socket, ignored.data(), ignored.size(), MSG_DONTWAIT) <= 0) break;
  }
  close(socket);
}

}  // namespace

void TimedServer::close_this_connection() { close_connection_now = true; }

// cpp-httplib's own options let several servers share a port, each getting some of its connections.
int TimedServer::bind(const std::string& host, int port) {
  set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  if (port == 0) {
    port = bind_to_any_port(host);
  } else if (!bind_to_port(host, port)) {
    port = -1;
  }
  if (port > 0) ::listen(svr_sock_, kBacklog);
  return port;
}

void TimedServer::set_connections(int count) {
  new_task_queue = [this, count] { return new CountingPool(static_cast<size_t>(count), waiting_); };
}

void TimedServer::stop_gracefully() {
  stopping_ = true;
  stop();
}

bool TimedServer::process_and_close_socket(socket_t socket) {
  TimedStream stream(socket, request_seconds_, request_bytes_, waiting_);
  bool answered = true;
  bool first = true;
  while (answered && !stopping_) {
    // In short steps, so that an idle connection holds up neither others nor the server's stop.
    const HttpClock::time_point end = after(first ? request_seconds_ : idle_seconds_);
    const HttpClock::time_point crowded_end = after(kCrowdedSeconds);
    bool ready = stream.has_bytes();
    while (!ready && !stopping_ && HttpClock::now() < (waiting_ > 0 ? std::min(end, crowded_end) : end))
      ready = wait_for(socket, POLLIN, std::min(end, after(0.1)));
    if (!ready) break;
    stream.begin_request();
    bool closed = false;
    close_connection_now = false;
    answered = process_request(stream, stopping_, closed, nullptr);
    if (closed || close_connection_now) break;
    first = false;
  }
  close_gently(socket, waiting_ > 0);
  return true;
}

}  // namespace fastermask
