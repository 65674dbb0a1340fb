// A small HTTP server for operators and probes: health, readiness, metrics, API. One thread of its
// own; handlers run on it, one request at a time. Bounded: 16 KiB head, 64 KiB body, 10 s a
// request, 64 connections.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/result.hpp"

namespace toyou {

struct AdminRequest {
  std::string method;
  std::string path;   // without query
  std::string query;  // without '?'
  std::string body;
};

struct AdminResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::string allow{};  // of a 405: the methods of this path
};

class AdminServer {
 public:
  using Handler = std::function<AdminResponse(const AdminRequest&)>;

  // "127.0.0.1:9901", "[::1]:0", ":9901" (all addresses). Listens at once; port 0 picks a free one.
  static Result<std::unique_ptr<AdminServer>> listen(const std::string& address, Handler handler);
  // The grammar of such an address alone, to refuse it in a command line.
  static Result<void> check_address(const std::string& address);
  ~AdminServer();

  void start();
  void stop();  // joins
  [[nodiscard]] std::uint16_t port() const;

 private:
  struct Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace toyou
