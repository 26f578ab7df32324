// Requests come in on cpp-httplib's threads, which read, check and decode; the Batcher's threads predict.
#include "fastermask/serve/service.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/data/image_io.h"
#include "fastermask/serve/answer.h"
#include "fastermask/serve/batcher.h"
#include "fastermask/serve/http_server.h"
#include "fastermask/serve/metrics.h"
#include "fastermask/serve/page.h"

namespace fastermask {
namespace {

constexpr const char* kServe = "serve";
constexpr const char* kJson = "application/json";

// A request that is not answered with what it wanted.
struct Refusal {
  int status;
  std::string message;
};

struct Upload {
  std::string name, content;
};

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// Routes are few names, so that clients cannot fill the metrics with paths of their own.
std::string route_of(const httplib::Request& request) {
  for (const char* route : {"/", "/v1/predict", "/v1/model", "/healthz", "/metrics"}) {
    if (request.path == route) return route;
  }
  return "other";
}

class Service {
 public:
  Service(const Predictor& predictor, const ServiceOptions& options)
      : predictor_(predictor),
        options_(options),
        server_(options.request_seconds, options.idle_seconds,
                static_cast<std::size_t>(options.max_body_megabytes * 1e6) + kHeadBytes),
        batcher_([this](const std::vector<PictureView>& pictures) { return predictor_.predict(pictures); },
                 {options.batch, options.queue, kQueuePixels, options.queue_seconds, options.workers}) {
    if (!options.access_log.empty() && options.access_log != "-") {
      log_file_.open(options.access_log, std::ios::app);
      if (!log_file_) fail("serve: cannot append to the access log {}", options.access_log);
    }
    server_.set_connections(options_.connections);
    server_.set_tcp_nodelay(true);
    add_routes();
  }

  void run(const std::function<void(int)>& on_listening) {
    const int port = server_.bind(options_.host, options_.port);
    if (port <= 0) {
      fail("serve: cannot listen at {}:{}; is the address this machine's, and the port free?", options_.host,
           options_.port);
    }
    on_listening(port);
    std::thread waiter([this] {
      const sigset_t signals = stop_signals();
      int signal = 0;
      sigwait(&signals, &signal);
      log_info(kServe, "Stopping; requests that were taken in are answered first");
      server_.stop_gracefully();
    });
    server_.listen_after_bind();
    if (!server_.stopping()) pthread_kill(waiter.native_handle(), SIGTERM);
    waiter.join();
  }

 private:
  static constexpr std::int64_t kQueuePixels = 200'000'000;
  static constexpr std::size_t kHeadBytes = 1'000'000;  // of a request beside its body
  using Clock = std::chrono::steady_clock;

  void add_routes() {
    server_.set_pre_routing_handler([](const httplib::Request&, httplib::Response&) {
      started() = Clock::now();
      return httplib::Server::HandlerResponse::Unhandled;
    });
    server_.Get("/", [](const httplib::Request&, httplib::Response& response) {
      response.set_header("Content-Security-Policy",
                          "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src "
                          "'self'; img-src 'self' blob: data:");
      response.set_content(serve_page(), "text/html; charset=utf-8");
    });
    server_.Get("/healthz", [this](const httplib::Request&, httplib::Response& response) {
      response.status = server_.stopping() ? 503 : 200;
      response.set_content(server_.stopping() ? "stopping\n" : "ok\n", "text/plain");
    });
    server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(metrics_.text(batcher_.admitted(), resident_bytes()), "text/plain; version=0.0.4");
    });
    server_.Get("/v1/model", [this](const httplib::Request&, httplib::Response& response) { describe(response); });
    server_.Post("/v1/predict", [this](const httplib::Request& request, httplib::Response& response,
                                       const httplib::ContentReader& reader) { predict(request, response, reader); });
    server_.set_error_handler([](const httplib::Request& request, httplib::Response& response) {
      // A request that is not understood may have more bytes, which must not be taken for the next one.
      TimedServer::close_this_connection();
      if (!response.body.empty()) return;
      const std::string message = response.status == 404   ? "there is no " + request.method + " " + request.path
                                  : response.status == 400 ? "the request is malformed"
                                                           : "the request failed";
      response.set_content(error_json(message), kJson);
    });
    server_.set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
      response.status = 500;
      response.set_content(error_json("the server failed to answer"), kJson);
    });
    server_.set_logger(
        [this](const httplib::Request& request, const httplib::Response& response) { record(request, response); });
  }

  static Clock::time_point& started() {
    thread_local Clock::time_point time;
    return time;
  }
  static std::size_t& bytes_in() {
    thread_local std::size_t bytes = 0;
    return bytes;
  }

  void describe(httplib::Response& response) const {
    response.set_content(model_json(predictor_, options_.score_threshold, options_.lowest_threshold,
                                    static_cast<std::int64_t>(options_.max_body_megabytes * 1e6)),
                         kJson);
  }

  void predict(const httplib::Request& request, httplib::Response& response, const httplib::ContentReader& reader) {
    bytes_in() = 0;
    try {
      const double threshold = asked_threshold(request);
      const std::vector<Upload> uploads = receive(request, reader);
      response.set_content(answer(uploads, threshold), kJson);
    } catch (const Refusal& refusal) {
      response.status = refusal.status;
      if (refusal.status == 503) response.set_header("Retry-After", std::to_string(batcher_.expected_wait_seconds()));
      response.set_content(error_json(refusal.message), kJson);
    } catch (const DataError& error) {
      response.status = 422;
      response.set_content(error_json(error.what()), kJson);
    } catch (const std::exception& error) {
      log_error(kServe, "{}", error.what());
      response.status = 500;
      response.set_content(error_json("the server failed to predict"), kJson);
    }
  }

  double asked_threshold(const httplib::Request& request) const {
    if (!request.has_param("threshold")) return options_.score_threshold;
    const std::string text = request.get_param_value("threshold");
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0' || !(value >= 0 && value <= 1))
      throw Refusal{400, "threshold must be a number in [0, 1], got '" + text.substr(0, 40) + "'"};
    return value;
  }

  // Reads the body: one picture, or a multipart form of pictures.
  std::vector<Upload> receive(const httplib::Request& request, const httplib::ContentReader& reader) const {
    const auto limit = static_cast<std::size_t>(options_.max_body_megabytes * 1e6);
    const Refusal too_large{413, "the request's body must be at most " + std::to_string(limit) + " bytes"};
    if (!request.get_header_value("Content-Encoding").empty())
      throw Refusal{415, "Content-Encoding is not supported; send the picture file as it is"};
    if (std::strtoull(request.get_header_value("Content-Length").c_str(), nullptr, 10) > limit) throw too_large;
    std::vector<Upload> uploads;
    std::size_t total = 0;
    bool over = false;
    const auto receive_bytes = [&](const char* bytes, size_t count) {
      total += count;
      over = total > limit || uploads.empty();
      if (!over) uploads.back().content.append(bytes, count);
      return !over;
    };
    bool complete = false;
    bool too_many = false;
    if (request.is_multipart_form_data()) {
      complete = reader(
          [&](const httplib::MultipartFormData& part) {
            too_many = uploads.size() >= static_cast<std::size_t>(options_.max_pictures);
            if (!too_many) uploads.push_back({part.filename, {}});
            return !too_many;
          },
          receive_bytes);
    } else {
      uploads.emplace_back();
      complete = reader(receive_bytes);
    }
    bytes_in() = total;
    if (over) throw too_large;
    if (too_many) throw Refusal{413, "at most " + std::to_string(options_.max_pictures) + " pictures in a request"};
    if (!complete) throw Refusal{400, "the request's body is malformed, cut off, or came too slowly"};
    if (uploads.empty() || uploads[0].content.empty())
      throw Refusal{400, "the body must be a picture (JPEG, PNG, WebP) or multipart/form-data of pictures"};
    return uploads;
  }

  std::string answer(const std::vector<Upload>& uploads, double threshold) {
    std::int64_t pixels = 0;
    const auto name_of = [&](std::size_t i) {
      return uploads[i].name.empty() ? "picture " + std::to_string(i + 1) : uploads[i].name;
    };
    std::vector<PictureAnswer> answers;
    for (std::size_t i = 0; i < uploads.size(); ++i) {
      const ImageSize size = decode_image_header(uploads[i].content, name_of(i)).size;
      const std::int64_t count = static_cast<std::int64_t>(size.height) * size.width;
      if (static_cast<double>(count) > options_.max_megapixels * 1e6) {
        throw Refusal{413, name_of(i) + ": the picture has " + std::to_string(size.width) + " x " +
                               std::to_string(size.height) + " pixels, more than this server takes"};
      }
      pixels += count;
      answers.push_back({uploads[i].name, size.height, size.width, {}});
    }
    if (uploads.size() > static_cast<std::size_t>(options_.queue))
      throw Refusal{413, "more pictures than the server's queue holds"};
    const Batcher::Place place = batcher_.admit(static_cast<int>(uploads.size()), pixels);
    if (!place) throw Refusal{503, "the server is busy; try again later"};
    std::vector<Image> images;  // all decoded before the first is queued: a damaged one costs no prediction
    for (std::size_t i = 0; i < uploads.size(); ++i) images.push_back(decode_image(uploads[i].content, name_of(i)));
    std::vector<std::future<BatchedResult>> results;
    for (Image& image : images) results.push_back(batcher_.submit(std::move(image)));
    try {
      for (std::size_t i = 0; i < results.size(); ++i) {
        BatchedResult& result = answers[i].result = results[i].get();
        metrics_.add_picture(result.queue_seconds, result.predict_seconds, result.batch_size, result.instances.size());
      }
    } catch (const WaitedTooLong& error) {
      throw Refusal{503, error.what()};
    }
    return predictions_json(answers, predictor_, threshold);
  }

  void record(const httplib::Request& request, const httplib::Response& response) {
    const bool routed = started() != Clock::time_point();
    const double seconds = routed ? std::chrono::duration<double>(Clock::now() - started()).count() : 0;
    const std::size_t received = bytes_in();
    started() = Clock::time_point();
    bytes_in() = 0;
    metrics_.add_request(route_of(request), response.status, seconds);
    if (options_.access_log.empty()) return;
    const std::string line = access_log_line(
        {request.remote_addr, request.method, request.path, response.status, received, response.body.size(), seconds});
    const std::lock_guard<std::mutex> lock(log_mutex_);
    if (log_file_.is_open()) {
      log_file_ << line << std::flush;
    } else {
      std::fputs(line.c_str(), stderr);
    }
  }

  Predictor predictor_;
  ServiceOptions options_;
  Metrics metrics_;
  std::mutex log_mutex_;
  std::ofstream log_file_;
  TimedServer server_;
  Batcher batcher_;
};

}  // namespace

void block_stop_signals() {
  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

void run_service(const Predictor& predictor, const ServiceOptions& options,
                 const std::function<void(int port)>& on_listening) {
  Service(predictor, options).run(on_listening);
}

}  // namespace fastermask
