#include "controller/publish/status_writer.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <random>

#include <fmt/format.h>

#include "common/drain_record.hpp"
#include "common/log.hpp"

namespace toyou::publish {
namespace {

using nlohmann::json;
using resources::ObjectKey;

constexpr int kNotFound = 404;
constexpr int kConflict = 409;
constexpr int kTooManyRequests = 429;
constexpr int kServerError = 500;
constexpr std::size_t kEventsQueued = 1000;  // more are dropped: Events are news, not records
constexpr Millis kRequestTimeout{5'000};     // a Lease must be renewed in time

std::string make_identity(const std::string& given) {
  if (!given.empty()) return given;
  std::array<char, 65> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return fmt::format("{}_{:08x}", host.data(), std::random_device{}());
}

std::string lease_namespace(const source::KubernetesOptions& options,
                            const source::ApiClient& client) {
  if (!options.lease_namespace.empty()) return options.lease_namespace;
  return client.default_namespace().empty() ? "default" : client.default_namespace();
}

// Empty: we write no status of this kind.
std::string status_path(const ObjectKey& key) {
  if (key.kind == "Ingress") {
    return "/apis/networking.k8s.io/v1/namespaces/" + key.ns + "/ingresses/" + key.name + "/status";
  }
  if (key.kind == "WebSocketRoute") {
    return "/apis/toyou.dev/v1alpha1/namespaces/" + key.ns + "/websocketroutes/" + key.name +
           "/status";
  }
  return {};
}

bool same(const translate::ObjectReport& a, const translate::ObjectReport& b) {
  return a.findings == b.findings && a.generation == b.generation && a.serves == b.serves &&
         a.serves_tls == b.serves_tls;
}

source::ApiTimeouts short_timeouts() {
  source::ApiTimeouts timeouts;
  timeouts.request = kRequestTimeout;
  return timeouts;
}

}  // namespace

StatusWriter::StatusWriter(const source::KubernetesOptions& options, source::ApiAccess access,
                           std::shared_ptr<source::ObservedObjects> observed, StatusTiming timing)
    : options_(options),
      identity_(make_identity(options.identity)),
      timing_(timing),
      observed_(std::move(observed)),
      client_(std::move(access), short_timeouts()),
      lease_(client_, lease_namespace(options_, client_), options_.lease_name, identity_, clock_,
             timing.lease),
      event_log_(clock_),
      tokens_(timing.burst),
      tokens_at_(clock_.steady()) {
  const std::string& keys = options_.ticket_key_secret;
  const std::size_t slash = keys.find('/');
  if (slash == std::string::npos) return;
  ticket_keys_.emplace(client_, keys.substr(0, slash), keys.substr(slash + 1), clock_,
                       timing.ticket_keys);
}

StatusWriter::~StatusWriter() {
  stop();
}

void StatusWriter::start() {
  observed_->on_change([this](const ObjectKey& key) {
    const std::scoped_lock lock(mutex_);
    changed_.insert(key);
    wake_.notify_all();
  });
  thread_ = std::thread([this] { run(); });
}

void StatusWriter::stop() {
  if (!thread_.joinable()) return;
  observed_->on_change({});
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  cancellation_.cancel();
  wake_.notify_all();
  thread_.join();
}

void StatusWriter::update(StatusUpdate update) {
  const std::scoped_lock lock(mutex_);
  waiting_ = std::move(update);
  wake_.notify_all();
}

StatusCounts StatusWriter::counts() const {
  return {.patches = patches_.load(),
          .events = sent_events_.load(),
          .errors = errors_.load(),
          .leader = leader_.load(),
          .cut_drains_known = cut_drains_known_.load(),
          .cut_drains = cut_drains_.load(),
          .cut_websockets = cut_websockets_.load()};
}

void StatusWriter::run() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_until(lock, next_wake(),
                       [this] { return stopping_ || waiting_ || !changed_.empty(); });
      if (stopping_) break;
    }
    note_cut_drain(cancellation_);
    lease_.step(cancellation_);
    share_cut_drains();
    if (ticket_keys_ && lease_.role() == LeaseRole::Holder) ticket_keys_->step(cancellation_);
    take_notes();
    follow_role();
    // Before the first report every object would look as if it had stopped being ours.
    if (role_ != LeaseRole::Holder || !reported_) continue;
    send_events();
    // One object a turn: the Lease is renewed in between.
    if (due_.next() && *due_.next() <= clock_.steady() && spend_token()) {
      look_at(*due_.pop(clock_.steady()));
    }
  }
  source::Cancellation last_words;
  note_cut_drain(last_words);  // of the dataplane that ended just before us
  lease_.release(last_words);
  leader_ = false;
}

SteadyTime StatusWriter::next_wake() const {
  auto when = lease_.next_step();
  if (ticket_keys_ && role_ == LeaseRole::Holder) when = std::min(when, ticket_keys_->next_step());
  if (role_ != LeaseRole::Holder || !reported_) return when;
  if (const auto due = due_.next()) {
    auto ready = *due;
    if (tokens_ < 1) {
      const std::chrono::duration<double> refill((1 - tokens_) / timing_.patches_per_second);
      ready = std::max(ready, tokens_at_ + std::chrono::duration_cast<Millis>(refill) + Millis(1));
    }
    when = std::min(when, ready);
  }
  return when;
}

void StatusWriter::note_cut_drain(source::Cancellation& cancellation) {
  if (options_.snapshot_dir.empty()) return;
  const auto open = take_cut_drain(options_.snapshot_dir);
  if (!open) return;
  log::warning("the dataplane's drain was cut short",
               {{"websockets", open->websockets}, {"http_connections", open->http}});
  lease_.count_cut_drain(open->websockets, cancellation);
}

void StatusWriter::share_cut_drains() {
  if (const auto& seen = lease_.cut_drains()) {
    cut_websockets_ = seen->websockets;
    cut_drains_ = seen->drains;
    cut_drains_known_ = true;
  }
}

void StatusWriter::follow_role() {
  const auto role = lease_.role();
  if (role == role_) return;
  role_ = role;
  leader_ = role == LeaseRole::Holder;
  if (role == LeaseRole::Holder) schedule_all();
  if (role == LeaseRole::Waiting) events_.clear();  // the holder has sent its own
}

// --- what is to be true --------------------------------------------------------------

void StatusWriter::take_notes() {
  std::optional<StatusUpdate> update;
  std::set<ObjectKey> changed;
  {
    const std::scoped_lock lock(mutex_);
    update.swap(waiting_);
    changed.swap(changed_);
  }
  if (update) take_report(std::move(*update));
  for (const auto& key : changed) {
    if (key.kind == "Service") {
      schedule_all();
    } else {
      schedule(key);
    }
  }
}

void StatusWriter::take_report(StatusUpdate update) {
  if (!std::exchange(reported_, true)) schedule_all();
  for (const auto& [key, before] : report_) {
    if (update.report.contains(key)) continue;
    event_log_.forget(key);
    schedule(key);  // to be cleaned, if it still exists (C8)
  }
  const auto before = std::exchange(report_, std::move(update.report));
  for (const auto& [key, report] : report_) {
    const auto known = before.find(key);
    if (known != before.end() && same(known->second, report)) continue;
    const auto observed = observed_->find(key);
    auto events = event_log_.note(key, report, observed ? &*observed : nullptr);
    if (role_ != LeaseRole::Waiting && events_.size() + events.size() <= kEventsQueued) {
      events_.insert(events_.end(), events.begin(), events.end());
    }
    schedule(key);
  }
}

void StatusWriter::schedule(const ObjectKey& key) {
  if (status_path(key).empty()) return;
  auto when = clock_.steady();
  if (const auto patched = patched_.find(key); patched != patched_.end()) {
    when = std::max(when, patched->second + timing_.object_interval);
  }
  due_.add(key, when);
}

void StatusWriter::schedule_all() {
  for (const auto& [key, report] : report_) schedule(key);
  for (const auto& key : observed_->written_by_us()) schedule(key);
}

Addresses StatusWriter::addresses() const {
  if (!options_.publish_addresses.empty()) {
    std::vector<Address> result;
    for (const auto& address : options_.publish_addresses) result.push_back(make_address(address));
    return result;
  }
  if (const auto service = observed_->publish_service()) return addresses_of_service(*service);
  return std::nullopt;
}

// --- requests ------------------------------------------------------------------------

bool StatusWriter::spend_token() {
  const auto now = clock_.steady();
  const std::chrono::duration<double> passed = now - tokens_at_;
  tokens_ = std::min(timing_.burst, tokens_ + passed.count() * timing_.patches_per_second);
  tokens_at_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

std::optional<json> StatusWriter::patch_for(const ObjectKey& key,
                                            const source::Observed& observed) const {
  const auto report = report_.find(key);
  if (report == report_.end()) return removal_patch(key.kind, observed);
  if (key.kind == "Ingress") return ingress_patch(observed, report->second, addresses());
  return websocketroute_patch(observed, report->second, addresses(), clock_.wall());
}

void StatusWriter::look_at(const ObjectKey& key) {
  const auto observed = observed_->find(key);
  if (!observed) {
    patched_.erase(key);
    return;
  }
  auto patch = patch_for(key, *observed);
  if (patch) {
    send_patch(key, std::move(*patch));
  } else {
    tokens_ = std::min(timing_.burst, tokens_ + 1);  // nothing was sent
  }
}

void StatusWriter::send_patch(const ObjectKey& key, json patch) {
  const source::ApiRequest request{
      .method = source::Method::Patch,
      .path = status_path(key) + "?fieldManager=" + source::query_escape(options_.controller_name),
      .body = std::move(patch),
      .content_type = "application/merge-patch+json"};
  const auto answer = client_.send(request, cancellation_);
  patched_[key] = clock_.steady();
  if (!answer) {
    if (answer.error().kind != ErrorKind::Cancelled)
      failed(key, answer.error().message, timing_.retry);
  } else if (answer->ok()) {
    patches_.fetch_add(1);
    observed_->refresh(key, answer->body);
  } else if (answer->status == kConflict) {
    schedule(key);                           // somebody else wrote: the watch brings what
  } else if (answer->status != kNotFound) {  // 404: it is being deleted
    const bool theirs = answer->status >= kServerError || answer->status == kTooManyRequests;
    failed(key, source::describe(*answer), theirs ? timing_.retry : timing_.refused_retry);
  }
}

void StatusWriter::send_events() {
  for (const auto& event : std::exchange(events_, {})) {
    const auto about = observed_->find(event.object);
    if (!about) continue;
    auto request =
        event_request(event, *about, options_.controller_name, identity_, clock_.wall(), serial_++);
    const auto answer = client_.send(
        {.method = source::Method::Post, .path = request.path, .body = std::move(request.body)},
        cancellation_);
    if (answer && answer->ok()) {
      sent_events_.fetch_add(1);
      continue;
    }
    errors_.fetch_add(1);
    if (!answer) return;  // the API server is away: these are lost
    log::warning("Event not sent",
                 {{"object", to_string(event.object)}, {"error", source::describe(*answer)}});
  }
}

void StatusWriter::failed(const ObjectKey& key, const std::string& what, Millis retry) {
  errors_.fetch_add(1);
  log::warning("status not written", {{"object", to_string(key)}, {"error", what}});
  due_.add(key, clock_.steady() + retry);
}

}  // namespace toyou::publish
