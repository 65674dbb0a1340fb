// Requests to one API server, over TLS that trusts the given authorities and nobody else. The only
// file that knows cpprestsdk. Calls block their thread; any number of threads may call at once.
// Credentials that stand in files are followed when they are rotated.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "controller/source/kubeconfig.hpp"

namespace toyou::source {

enum class Method : std::uint8_t { Get, Post, Put, Patch };

struct ApiRequest {
  Method method = Method::Get;
  std::string path;     // with query, percent-encoded: "/api/v1/services?limit=500"
  nlohmann::json body;  // null: none
  std::string content_type = "application/json";
};

// What the server answered, good or bad.
struct ApiResponse {
  int status = 0;
  nlohmann::json body;  // null when there is none, or none that is JSON
  [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
};
// The words of a Status answer: "403 Forbidden: ingresses is forbidden: …". At most 512 bytes.
std::string describe(const ApiResponse& response);

// Ends, from any thread, the calls that were given it: those that run return ErrorKind::Cancelled
// at once, later ones without trying. For good; make a new one to go on.
class Cancellation {
 public:
  Cancellation();
  ~Cancellation();
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;
  void cancel();
  [[nodiscard]] bool cancelled() const;

 private:
  friend class ApiClient;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct ApiTimeouts {
  Millis request{15'000};  // longest silence of a request
  // Longest silence of a watch: bookmarks come about once a minute, and a peer that vanished
  // without a word must be noticed.
  Millis watch{100'000};
  Millis credentials{60'000};  // a token file is read again at least this often
};

class ApiClient {
 public:
  static constexpr std::size_t kBodyBytes = 64U << 20;  // 500 objects of 128 KiB

  // Once a process, before other threads: size of the thread pool, and an environment that saves
  // loading 144 foreign authorities for each connection. More calls do nothing.
  static void prepare_process();

  explicit ApiClient(ApiAccess access, ApiTimeouts timeouts = {});
  ~ApiClient();
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  // The answer, whatever its status; errors are those of the transport (kinds Refused, Timeout, Io,
  // Protocol, Overload above kBodyBytes, Cancelled).
  Result<ApiResponse> send(const ApiRequest& request, Cancellation& cancellation);

  // Opens a watch. Status 200: `piece` is called, first with nothing, then with bytes as they
  // arrive, until the stream ends (then 200 is returned), breaks off (error), or `piece` returns
  // false (200). Any other status is returned with its body, as by send().
  Result<ApiResponse> watch(const std::string& path,
                            const std::function<bool(std::string_view)>& piece,
                            Cancellation& cancellation);

  [[nodiscard]] const std::string& server() const;
  [[nodiscard]] const std::string& default_namespace() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// For use inside a query: everything but unreserved characters is escaped.
std::string query_escape(std::string_view text);

}  // namespace toyou::source
