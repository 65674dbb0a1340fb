#include "controller/source/watcher.hpp"

#include <algorithm>

#include "common/limits.hpp"
#include "common/log.hpp"

namespace toyou::source {
namespace {

using nlohmann::json;
using resources::ObjectKey;

constexpr int kGone = 410;
constexpr int kForbidden = 403;
constexpr int kNotFound = 404;

std::string text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

int integer(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer() ? found->get<int>() : 0;
}

// Null where it is not a mapping.
json* mapping(json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_object() ? &*found : nullptr;
}

}  // namespace

Watcher::Watcher(WatchedResource resource, ApiClient& client, Sink& sink, ObservedObjects& observed,
                 Listener listener, WatcherTiming timing)
    : resource_(std::move(resource)),
      client_(client),
      sink_(sink),
      observed_(observed),
      listener_(std::move(listener)),
      timing_(timing),
      backoff_(timing.first_delay, timing.longest_delay, timing.seed) {}

Watcher::~Watcher() {
  stop();
}

void Watcher::start() {
  thread_ = std::thread([this] { run(); });
}

void Watcher::cancel() {
  cancellation_.cancel();
  {
    const std::scoped_lock lock(wake_mutex_);  // pause() has tested, or will see it
  }
  wake_.notify_all();
}

void Watcher::stop() {
  cancel();
  if (thread_.joinable()) thread_.join();
}

WatchCounts Watcher::counts() const {
  return WatchCounts{.kind = resource_.label(),
                     .ns = resource_.ns,
                     .relists = relists_.load(),
                     .reconnects = reconnects_.load(),
                     .errors = errors_.load(),
                     .events = events_.load(),
                     .listed = has_listed_.load(),
                     .connected = connected_.load()};
}

bool Watcher::pause(Millis duration) {
  std::unique_lock lock(wake_mutex_);
  wake_.wait_for(lock, duration, [this] { return stopping(); });
  return !stopping();
}

void Watcher::run() {
  while (!stopping()) {
    progress_ = false;
    const auto outcome = version_.empty() ? list() : watch();
    if (progress_) backoff_.reset();
    bool at_once = progress_;
    switch (outcome) {
      case Outcome::Stopped:
        return;
      case Outcome::Listed:
        at_once = true;
        break;
      case Outcome::Expired:
        version_.clear();
        at_once = !from_list_;  // a list's own version too old: that server is not well
        break;
      case Outcome::Missing:
      case Outcome::Forbidden:
      case Outcome::Ended:
      case Outcome::Failed:
        break;
    }
    if (at_once) continue;
    const bool others_wait = outcome == Outcome::Forbidden && !listed_;
    const bool steadily = outcome == Outcome::Missing || others_wait;
    if (!pause(steadily ? timing_.missing_delay : backoff_.next())) return;
  }
}

// --- list ----------------------------------------------------------------------------

Watcher::Outcome Watcher::list() {
  std::map<ObjectKey, std::string> current;
  const auto outcome = list_pages(current);
  if (outcome == Outcome::Missing) {
    // An API server that has just started answers so, too: what is known is given up only when it
    // stays like this.
    const auto now = std::chrono::steady_clock::now();
    if (!missing_since_) {
      missing_since_ = now;
      report("not defined in this cluster: install the CustomResourceDefinition of this release");
    }
    if (known_.empty() || now - *missing_since_ >= timing_.missing_grace) finish_list({});
  }
  if (outcome == Outcome::Forbidden) pass_over();
  if (outcome != Outcome::Listed) {
    version_.clear();
    return outcome;
  }
  missing_since_.reset();
  forbidden_since_.reset();
  relists_.fetch_add(1);
  from_list_ = true;
  finish_list(std::move(current));
  healthy();
  return outcome;
}

// Nothing that is known is given up: that the API server does not tell us means no news.
void Watcher::pass_over() {
  const auto now = std::chrono::steady_clock::now();
  if (!forbidden_since_) forbidden_since_ = now;
  if (listed_ || now - *forbidden_since_ < timing_.forbidden_grace) return;
  listed_ = true;
  listener_.listed();
}

std::string Watcher::query(const std::string& parameters) const {
  return resource_.path + "?" + parameters +
         (resource_.selector.empty() ? "" : "&" + resource_.selector);
}

Watcher::Outcome Watcher::list_pages(std::map<ObjectKey, std::string>& current) {
  std::string next;
  do {
    ApiRequest request;
    request.path = query("limit=" + std::to_string(resource_.page_size));
    if (!next.empty()) request.path += "&continue=" + query_escape(next);
    auto answer = client_.send(request, cancellation_);
    if (const auto outcome = list_answer(answer); outcome != Outcome::Listed) return outcome;
    auto* metadata = mapping(answer->body, "metadata");
    const auto items = answer->body.find("items");
    if (metadata == nullptr || items == answer->body.end()) return failed("list", "not a list");
    if (items->is_array()) {
      for (auto& item : *items) accept_item(std::move(item), current);
    }
    version_ = text(*metadata, "resourceVersion");
    next = text(*metadata, "continue");
  } while (!next.empty());
  return version_.empty() ? failed("list", "a list without resourceVersion") : Outcome::Listed;
}

Watcher::Outcome Watcher::list_answer(const Result<ApiResponse>& answer) {
  if (!answer && answer.error().kind == ErrorKind::Cancelled) return Outcome::Stopped;
  if (!answer) return failed("list", answer.error().message);
  if (answer->status == kNotFound && resource_.optional) return Outcome::Missing;
  if (answer->status == kGone) return failed("list", "expired between two pages");
  if (answer->status == kForbidden && resource_.may_be_forbidden) {
    (void)failed("list", describe(*answer));
    return Outcome::Forbidden;
  }
  if (!answer->ok() || !answer->body.is_object()) return failed("list", describe(*answer));
  return Outcome::Listed;
}

// Reported page by page: an object twice, or one that is gone by the end, does no harm.
void Watcher::accept_item(json item, std::map<ObjectKey, std::string>& current) {
  auto* metadata = item.is_object() ? mapping(item, "metadata") : nullptr;
  if (metadata == nullptr) return;
  ObjectKey key{resource_.kind, text(*metadata, "namespace"), text(*metadata, "name")};
  auto version = text(*metadata, "resourceVersion");
  const auto found = known_.find(key);
  const bool changed = found == known_.end() || version.empty() || found->second != version;
  current[key] = std::move(version);
  if (changed) report_upsert(key, std::move(item));
}

void Watcher::finish_list(std::map<ObjectKey, std::string> current) {
  std::vector<ObjectKey> gone;
  for (const auto& [key, version] : known_) {
    if (!current.contains(key)) gone.push_back(key);
  }
  known_ = std::move(current);
  for (const auto& key : gone) report_removal(key);
  has_listed_ = true;
  if (std::exchange(listed_, true)) return;
  listener_.listed();
}

// --- watch ---------------------------------------------------------------------------

Watcher::Outcome Watcher::watch() {
  if (std::exchange(watched_, true)) reconnects_.fetch_add(1);
  verify();
  const int seconds = complaint_.empty() ? timing_.watch_seconds : timing_.unverified_seconds;
  const auto path =
      query("watch=1&allowWatchBookmarks=true&timeoutSeconds=" + std::to_string(seconds) +
            "&resourceVersion=" + query_escape(version_));
  WatchDecoder decoder;
  auto outcome = Outcome::Ended;
  std::string broken;
  const auto piece = [&](std::string_view bytes) {
    if (!connected_) healthy();  // before others see it connected
    connected_ = true;
    const auto fed = decoder.feed(
        bytes, [&](WatchEvent event) { return accept_event(std::move(event), outcome); });
    if (!fed) broken = fed.error().message;
    return fed && outcome == Outcome::Ended;
  };
  const auto begin = std::chrono::steady_clock::now();
  const auto answer = client_.watch(path, piece, cancellation_);
  connected_ = false;
  // A quiet watch that lived long is no reason to wait either.
  if (std::chrono::steady_clock::now() - begin > timing_.longest_delay) progress_ = true;
  if (!broken.empty()) {
    version_.clear();  // what that line said is lost: a list tells
    progress_ = false;
    return failed("watch", broken);
  }
  return outcome != Outcome::Ended ? outcome : watch_answer(answer);
}

Watcher::Outcome Watcher::watch_answer(const Result<ApiResponse>& answer) {
  if (!answer) {
    switch (answer.error().kind) {
      case ErrorKind::Cancelled:
        return Outcome::Stopped;
      case ErrorKind::Timeout:
        return Outcome::Ended;  // nothing said for long: connect anew
      default:
        return failed("watch", answer.error().message);
    }
  }
  if (answer->status == kGone) return Outcome::Expired;
  if (answer->ok()) return Outcome::Ended;
  if (answer->status == kNotFound) version_.clear();  // the list knows what that means
  return failed("watch", describe(*answer));
}

// False ends the watch, with the outcome set.
bool Watcher::accept_event(WatchEvent event, Outcome& outcome) {
  if (event.type == WatchEventType::Error) {
    if (integer(event.object, "code") == kGone) {
      log::info("watch expired", {{"kind", resource_.label()}, {"version", version_}});
      outcome = Outcome::Expired;
      return false;
    }
    version_.clear();
    outcome = failed("watch", text(event.object, "message"));
    return false;
  }
  version_ = event.resource_version;
  progress_ = true;
  from_list_ = false;
  if (event.type == WatchEventType::Bookmark) return true;
  const auto* metadata = mapping(event.object, "metadata");
  ObjectKey key{resource_.kind, text(*metadata, "namespace"), text(*metadata, "name")};
  if (event.type == WatchEventType::Deleted) {
    known_.erase(key);
    report_removal(key);
  } else {
    known_[key] = event.resource_version;
    report_upsert(key, std::move(event.object));
  }
  return true;
}

// --- reports -------------------------------------------------------------------------

void Watcher::report_upsert(const ObjectKey& key, json object) {
  object["kind"] = resource_.kind;  // items of a list carry neither
  object["apiVersion"] = resource_.api_version;
  observed_.upsert(key, object);
  if (auto* metadata = mapping(object, "metadata")) metadata->erase("managedFields");  // bulky
  events_.fetch_add(1);
  sink_.upsert(std::move(object), client_.server());
}

void Watcher::report_removal(const ObjectKey& key) {
  observed_.remove(key);
  events_.fetch_add(1);
  sink_.remove(key);
}

Watcher::Outcome Watcher::failed(const std::string& what, const std::string& message) {
  errors_.fetch_add(1);
  report(what + ": " + message);
  return Outcome::Failed;
}

void Watcher::report(std::string problem) {
  if (problem == problem_) return;  // once, not at each retry; whoever is told logs it
  problem_ = std::move(problem);
  listener_.health(problem_);
}

void Watcher::verify() {
  complaint_ = resource_.verify ? resource_.verify(client_, cancellation_) : std::string();
}

void Watcher::healthy() {
  if (!complaint_.empty()) return report(complaint_);
  if (problem_.empty()) return;
  log::info("API server: well again", {{"kind", resource_.label()}});
  problem_.clear();
  listener_.health({});
}

}  // namespace toyou::source
