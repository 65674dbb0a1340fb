#include "controller/publish/lease.hpp"

#include <algorithm>
#include <charconv>

#include "common/log.hpp"

namespace toyou::publish {
namespace {

using nlohmann::json;
using source::Method;

constexpr int kNotFound = 404;
constexpr int kConflict = 409;

std::string text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const json& spec_of(const json& lease) {
  static const json kNone = json::object();
  const auto found = lease.find("spec");
  return found != lease.end() && found->is_object() ? *found : kNone;
}

constexpr const char* kDrainsCut = "toyou.dev/drains-cut";
constexpr const char* kWebSocketsCut = "toyou.dev/drain-websockets-cut";

// The number in an annotation; anybody may have written it.
std::uint64_t counted(const json& lease, const char* name) {
  const auto metadata = lease.find("metadata");
  if (metadata == lease.end() || !metadata->is_object()) return 0;
  const auto annotations = metadata->find("annotations");
  if (annotations == metadata->end() || !annotations->is_object()) return 0;
  const auto digits = text(*annotations, name);
  std::uint64_t number = 0;
  const auto end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, number);
  return read.ec == std::errc() && read.ptr == end ? number : 0;
}

}  // namespace

std::string micro_time(WallTime time) {
  auto text = rfc3339(time);  // …:05.678Z
  text.insert(text.size() - 1, "000");
  return text;
}

Lease::Lease(source::ApiClient& client, std::string ns, std::string name, std::string identity,
             const Clock& clock, LeaseTiming timing)
    : client_(client),
      ns_(std::move(ns)),
      name_(std::move(name)),
      identity_(std::move(identity)),
      clock_(clock),
      timing_(timing),
      next_step_(clock.steady()) {}

std::string Lease::path(bool named) const {
  const std::string leases = "/apis/coordination.k8s.io/v1/namespaces/" + ns_ + "/leases";
  return named ? leases + "/" + name_ : leases;
}

LeaseRole Lease::role() const {
  if (role_ == LeaseRole::Holder && clock_.steady() - renewed_ >= timing_.deadline) {
    return LeaseRole::Unknown;
  }
  return role_;
}

void Lease::step(source::Cancellation& cancellation) {
  const auto now = clock_.steady();
  if (now < next_step_) return;
  next_step_ = now + (role_ == LeaseRole::Holder ? timing_.renew : timing_.look);
  if (role_ != LeaseRole::Holder || outdated_) {
    look(cancellation);
    if (lease_.is_null()) return;
    if (!free_to_take()) {
      if (role_ != LeaseRole::Waiting) {
        log::info("status is written by another",
                  {{"holder", text(spec_of(lease_), "holderIdentity")}});
      }
      role_ = LeaseRole::Waiting;
      return;
    }
  }
  take(cancellation);
}

// Leaves lease_ null when it is not known, or is ours by creation.
void Lease::look(source::Cancellation& cancellation) {
  lease_ = nullptr;
  outdated_ = false;
  const auto answer =
      client_.send({.method = Method::Get, .path = path(true), .body = {}}, cancellation);
  if (answer && answer->status == kNotFound) return create(cancellation);
  if (!answer) return lost(LeaseRole::Unknown, answer.error().message);
  if (!answer->ok() || !answer->body.is_object()) {
    return lost(LeaseRole::Unknown, source::describe(*answer));
  }
  saw(answer->body);
}

void Lease::saw(const json& lease) {
  lease_ = lease;
  cut_drains_ =
      CutDrains{.drains = counted(lease, kDrainsCut), .websockets = counted(lease, kWebSocketsCut)};
}

bool Lease::free_to_take() {
  const auto& current = spec_of(lease_);
  const auto holder = text(current, "holderIdentity");
  if (holder.empty() || holder == identity_) return true;
  const auto mark = holder + "\n" + text(current, "renewTime");
  const auto now = clock_.steady();
  if (mark != seen_mark_) {
    seen_mark_ = mark;
    seen_since_ = now;
  }
  const auto found = current.find("leaseDurationSeconds");
  const auto seconds =
      found != current.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
  return now - seen_since_ >= std::chrono::seconds(std::clamp<std::int64_t>(seconds, 1, 3600));
}

json Lease::spec() const {
  const auto now = micro_time(clock_.wall());
  json result = lease_.is_object() ? spec_of(lease_) : json::object();
  const bool was_ours = text(result, "holderIdentity") == identity_;
  result["holderIdentity"] = identity_;
  result["leaseDurationSeconds"] =
      std::chrono::duration_cast<std::chrono::seconds>(timing_.duration).count();
  result["renewTime"] = now;
  if (was_ours) return result;
  result["acquireTime"] = now;
  const auto transitions = result.find("leaseTransitions");
  const bool counted = transitions != result.end() && transitions->is_number_integer();
  result["leaseTransitions"] = counted ? transitions->get<std::int64_t>() + 1 : 0;
  return result;
}

void Lease::create(source::Cancellation& cancellation) {
  renewed_ = clock_.steady();
  const json body = {{"apiVersion", "coordination.k8s.io/v1"},
                     {"kind", "Lease"},
                     {"metadata", {{"name", name_}, {"namespace", ns_}}},
                     {"spec", spec()}};
  accept(client_.send({.method = Method::Post, .path = path(false), .body = body}, cancellation),
         "create");
  if (role_ != LeaseRole::Holder) lease_ = nullptr;
}

void Lease::take(source::Cancellation& cancellation) {
  const auto before = renewed_;
  renewed_ = clock_.steady();
  auto body = lease_;  // its resourceVersion makes a race lose with 409
  body["spec"] = spec();
  const auto answer =
      client_.send({.method = Method::Put, .path = path(true), .body = body}, cancellation);
  if (!answer || !answer->ok()) renewed_ = before;
  accept(answer, "renew");
}

void Lease::accept(const Result<source::ApiResponse>& answer, const char* what) {
  if (answer && answer->ok() && answer->body.is_object()) {
    if (role_ != LeaseRole::Holder) {
      log::info("status is written by this process", {{"holder", identity_}});
    }
    saw(answer->body);
    role_ = LeaseRole::Holder;
    problem_.clear();
    return;
  }
  const auto why =
      std::string(what) + ": " + (answer ? source::describe(*answer) : answer.error().message);
  const auto now = clock_.steady();
  if (answer && answer->status == kConflict && role_ == LeaseRole::Holder) {
    // Mostly an annotation. Had another taken the Lease, we would be past our deadline.
    outdated_ = true;
    next_step_ = now;
    return;
  }
  if (answer && (answer->status == kConflict || answer->status == kNotFound)) {
    next_step_ = now;  // taken or deleted: look who has it
    return lost(LeaseRole::Unknown, why);
  }
  // A holder stays one until its deadline: the next try may get through.
  if (role_ == LeaseRole::Holder && now - renewed_ < timing_.deadline) {
    next_step_ = now + timing_.renew / 5;
    return;
  }
  lost(LeaseRole::Unknown, why);
}

void Lease::lost(LeaseRole role, const std::string& why) {
  role_ = role;
  lease_ = nullptr;
  outdated_ = false;
  if (why == problem_) return;
  problem_ = why;
  log::warning("Lease not held", {{"lease", ns_ + "/" + name_}, {"error", why}});
}

void Lease::count_cut_drain(std::uint64_t websockets, source::Cancellation& cancellation) {
  constexpr int kTries = 5;  // others may write in between, each of them once in seconds
  std::string why;
  for (int tries = 0; tries < kTries; ++tries) {
    auto found =
        client_.send({.method = Method::Get, .path = path(true), .body = {}}, cancellation);
    if (!found || !found->ok() || !found->body.is_object()) {
      why = found ? source::describe(*found) : found.error().message;
      break;
    }
    auto body = std::move(found->body);
    auto& annotations = body["metadata"]["annotations"];
    if (!annotations.is_object()) annotations = json::object();
    const auto drains = counted(body, kDrainsCut) + 1;
    const auto lost = counted(body, kWebSocketsCut) + websockets;
    annotations[kDrainsCut] = std::to_string(drains);
    annotations[kWebSocketsCut] = std::to_string(lost);
    const auto answer =
        client_.send({.method = Method::Put, .path = path(true), .body = body}, cancellation);
    if (answer && answer->ok()) {
      cut_drains_ = CutDrains{.drains = drains, .websockets = lost};
      if (role_ == LeaseRole::Holder) lease_ = answer->body;
      return;
    }
    why = answer ? source::describe(*answer) : answer.error().message;
    if (!answer || answer->status != kConflict) break;
  }
  log::warning("a drain that was cut short is not counted", {{"error", why}});
}

void Lease::release(source::Cancellation& cancellation) {
  if (role_ != LeaseRole::Holder || !lease_.is_object()) return;
  auto body = lease_;
  body["spec"]["holderIdentity"] = "";
  body["spec"]["leaseDurationSeconds"] = 1;
  body["spec"]["renewTime"] = micro_time(clock_.wall());
  const auto answer =
      client_.send({.method = Method::Put, .path = path(true), .body = body}, cancellation);
  if (!answer || !answer->ok()) {
    log::warning("Lease not released",
                 {{"error", answer ? source::describe(*answer) : answer.error().message}});
  }
  role_ = LeaseRole::Unknown;
  lease_ = nullptr;
}

}  // namespace toyou::publish
