// Follows one kind of object at the API server on a thread of its own: list, report what differs
// from what was known (removals, too), watch from the list's version. A watch that ends is opened
// again from the last version seen; a version that is too old (410) leads to a new list. Failures
// are retried with back-off, and nothing is removed because of them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "common/limits.hpp"
#include "controller/source/api_client.hpp"
#include "controller/source/backoff.hpp"
#include "controller/source/kubernetes_source.hpp"
#include "controller/source/observed_objects.hpp"
#include "controller/source/source.hpp"
#include "controller/source/watch_decoder.hpp"

namespace toyou::source {

// What to follow.
struct WatchedResource {
  std::string kind;
  std::string api_version;
  std::string path;       // "/apis/networking.k8s.io/v1/ingresses"
  bool optional = false;  // its CustomResourceDefinition may be missing: then there are no objects
  std::string selector = {};  // "fieldSelector=type%3Dx", as it stands in a query
  int page_size = limits::kListPageSize;
  // Others need not wait for it where we may not read it: then there are no objects, for as long.
  bool may_be_forbidden = false;
  // Looked at before each watch: one sentence, when what the API server says of
  // this kind is not what we need. It is followed all the same.
  std::function<std::string(ApiClient&, Cancellation&)> verify = {};
  std::string name = {};  // in reports, where a kind is followed twice; empty: the kind
  std::string ns = {};    // that `path` names, for messages and counters; empty: none
  [[nodiscard]] const std::string& label() const { return name.empty() ? kind : name; }
};

struct WatcherTiming {
  Millis first_delay{500};
  Millis longest_delay{30'000};
  Millis missing_delay{3'000};    // between two looks for a missing CustomResourceDefinition
  Millis missing_grace{60'000};   // how long 404 must last before known objects are given up
  Millis forbidden_grace{5'000};  // how long 403 must last: a server that has just started says it
  int watch_seconds = 290;        // asked of the server; it ends the watch then
  int unverified_seconds = 10;    // the same while `verify` complains
  std::uint64_t seed = 1;         // of the jitter
};

class Watcher {
 public:
  // Called on the watcher's thread: after the first whole list, and when the state of health
  // changes (empty message: well).
  struct Listener {
    std::function<void()> listed;
    std::function<void(const std::string& message)> health;
  };

  Watcher(WatchedResource resource, ApiClient& client, Sink& sink, ObservedObjects& observed,
          Listener listener, WatcherTiming timing = {});
  ~Watcher();

  void start();
  void cancel();  // begins to stop, at once
  void stop();    // cancel, and join
  [[nodiscard]] WatchCounts counts() const;

 private:
  enum class Outcome : std::uint8_t {
    Listed,     // the whole list is known, the watch may begin
    Missing,    // the kind is not defined
    Forbidden,  // and others need not wait for it
    Ended,      // the watch ended as watches do
    Expired,    // its version is too old
    Failed,
    Stopped,
  };

  void run();
  Outcome list();
  Outcome list_pages(std::map<resources::ObjectKey, std::string>& current);
  Outcome list_answer(const Result<ApiResponse>& answer);
  void accept_item(nlohmann::json item, std::map<resources::ObjectKey, std::string>& current);
  void pass_over();
  [[nodiscard]] std::string query(const std::string& parameters) const;
  void finish_list(std::map<resources::ObjectKey, std::string> current);
  Outcome watch();
  Outcome watch_answer(const Result<ApiResponse>& answer);
  bool accept_event(WatchEvent event, Outcome& outcome);
  void report_upsert(const resources::ObjectKey& key, nlohmann::json object);
  void report_removal(const resources::ObjectKey& key);
  Outcome failed(const std::string& what, const std::string& message);
  void verify();
  void report(std::string problem);
  void healthy();
  [[nodiscard]] bool pause(Millis duration);  // false: stopped
  [[nodiscard]] bool stopping() const { return cancellation_.cancelled(); }

  const WatchedResource resource_;
  ApiClient& client_;
  Sink& sink_;
  ObservedObjects& observed_;
  const Listener listener_;
  const WatcherTiming timing_;
  Backoff backoff_;
  Cancellation cancellation_;
  std::thread thread_;

  // Of the watcher's thread.
  std::map<resources::ObjectKey, std::string> known_;  // -> resourceVersion
  std::string version_;                                // to watch from; empty: list first
  std::string problem_;                                // last reported
  std::string complaint_;                              // of `verify`; empty: none
  bool progress_ = false;                              // the watch under way has brought something
  bool from_list_ = false;  // version_ is a list's: no event has moved it on
  bool listed_ = false;
  bool watched_ = false;
  std::optional<SteadyTime> missing_since_;
  std::optional<SteadyTime> forbidden_since_;

  std::mutex wake_mutex_;
  std::condition_variable wake_;

  std::atomic<std::uint64_t> relists_{0};
  std::atomic<std::uint64_t> reconnects_{0};
  std::atomic<std::uint64_t> errors_{0};
  std::atomic<std::uint64_t> events_{0};
  std::atomic<bool> has_listed_{false};
  std::atomic<bool> connected_{false};
};

}  // namespace toyou::source
