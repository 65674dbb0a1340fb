#include "controller/loop/control_loop.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include <algorithm>
#include <utility>

#include "common/log.hpp"

namespace toyou::loop {

ControlLoop::ControlLoop(Options options, snapshot::Writer writer, source::Source& source,
                         publish::StatusSink* sink, Metrics& metrics)
    : options_(std::move(options)),
      source_(source),
      sink_(sink),
      metrics_(metrics),
      stop_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      publisher_(std::move(writer)),
      status_file_(publisher_.directory()),
      retry_after_(options_.retry_min) {
  TOYOU_ASSERT(stop_);
}

ControlLoop::~ControlLoop() {
  stop();
}

void ControlLoop::start() {
  if (sink_ != nullptr) sink_->start();
  thread_ = std::thread([this] { run(); });
  source_.start(queue_);
}

void ControlLoop::stop() {
  if (!thread_.joinable()) return;
  // The queue is closed first: a source that waits for room in it could not be joined.
  queue_.close();
  source_.stop();
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
  if (sink_ != nullptr) sink_->stop();
}

State ControlLoop::state() const {
  const std::lock_guard lock(state_mutex_);
  return state_;
}

void ControlLoop::run() {
  auto watch = DirectoryWatch::open(publisher_.directory(), IN_MOVED_TO | IN_CLOSE_WRITE);
  if (watch) {
    watch_ = std::move(*watch);
  } else {
    log::warning("loaded.json is only polled", {{"reason", to_string(watch.error())}});
  }
  next_poll_ = Steady::now() + options_.poll;
  for (;;) {
    wait();
    eventfd_t stopped = 0;
    if (::eventfd_read(stop_.get(), &stopped) == 0) return;
    const auto now = Steady::now();
    take_events(now);
    follow_dataplane(now);
    if (const auto due = publish_due(); due && now >= *due) publish(now);
    if (sink_due_ && now >= *sink_due_) send_status();
  }
}

void ControlLoop::wait() {
  const auto left = std::chrono::ceil<Millis>(next_wake() - Steady::now()).count();
  pollfd waits[3] = {
      {stop_.get(), POLLIN, 0}, {queue_.fd(), POLLIN, 0}, {watch_ ? watch_->fd() : -1, POLLIN, 0}};
  ::poll(waits, 3, static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)));
}

ControlLoop::Steady::time_point ControlLoop::next_wake() const {
  Steady::time_point next = next_poll_;
  if (const auto due = publish_due()) next = std::min(next, *due);
  if (sink_due_) next = std::min(next, *sink_due_);
  return next;
}

// nullopt: nothing to publish, or not yet allowed to.
std::optional<ControlLoop::Steady::time_point> ControlLoop::publish_due() const {
  if (!first_change_ || !intake_.synced()) return std::nullopt;
  const auto quiet =
      std::min(last_change_ + options_.quiet, *first_change_ + options_.quiet_at_most);
  return retry_at_ ? std::max(quiet, *retry_at_) : quiet;
}

void ControlLoop::take_events(Steady::time_point now) {
  for (Event& event : queue_.take()) {
    if (!intake_.apply(std::move(event))) continue;
    if (!first_change_) first_change_ = now;
    last_change_ = now;
  }
  if (!intake_.settle()) return;
  metrics_.input_problems.Set(static_cast<double>(intake_.problems().size()));
  if (translated_) write_status_file();
}

void ControlLoop::follow_dataplane(Steady::time_point now) {
  bool look = now >= next_poll_;
  if (watch_) {
    for (const DirectoryEvent& event : watch_->read()) {
      look |= event.name == "loaded.json" || (event.mask & IN_Q_OVERFLOW) != 0;
    }
  }
  if (!look) return;
  next_poll_ = now + options_.poll;
  if (!publisher_.refresh() || !translated_) return;
  write_status_file();
  sink_due_ = now;
  share_state(state().publish_error);
}

void ControlLoop::publish(Steady::time_point now) {
  first_change_.reset();
  metrics_.translations.Increment();
  metrics_.set_objects(intake_.objects());
  auto translation = translate::translate(intake_.objects(), options_.translate);
  report_ = std::move(translation.report);
  translated_ = true;

  const auto published = publisher_.publish(std::move(translation.snapshot));
  if (!published) return publish_failed(published.error(), now);
  retry_at_.reset();
  retry_after_ = options_.retry_min;
  (published->changed ? metrics_.published : metrics_.unchanged).Increment();
  const auto took = std::chrono::duration<double>(Steady::now() - now).count();
  metrics_.publish_seconds.Observe(took);
  if (published->changed) {
    log::info("snapshot published", {{"generation", published->generation},
                                     {"took_us", static_cast<std::int64_t>(took * 1e6)}});
  }
  write_status_file();
  const bool confirmed = publisher_.programmed_generation() == publisher_.generation();
  sink_due_ = confirmed ? now : now + options_.confirm_grace;
  share_state({});
}

void ControlLoop::publish_failed(const Error& error, Steady::time_point now) {
  metrics_.publish_failed.Increment();
  log::error("the snapshot cannot be published; the last one stays in force",
             {{"reason", to_string(error)}, {"retry_ms", retry_after_.count()}});
  first_change_ = now;
  last_change_ = now;
  retry_at_ = now + retry_after_;
  retry_after_ = std::min(retry_after_ * 2, options_.retry_max);
  write_status_file();
  share_state(to_string(error));
}

translate::Finding ControlLoop::programmed(const resources::ObjectKey& key,
                                           const translate::ObjectReport& object) const {
  translate::Finding finding;
  finding.type = translate::ConditionType::Programmed;
  finding.status = false;
  finding.reason = "Pending";
  if (!object.serves) {
    finding.message = "nothing of this object is served";
    return finding;
  }
  const publish::Verdict verdict = publisher_.programmed({key.kind, key.ns, key.name});
  finding.status = verdict.state == publish::Programming::Programmed;
  if (finding.status) finding.reason = "Programmed";
  if (verdict.state == publish::Programming::Refused) finding.reason = "Refused";
  finding.message = verdict.message;
  return finding;
}

translate::Report ControlLoop::full_report() const {
  translate::Report report = report_;
  for (auto& [key, object] : report) {
    if (key.kind != "IngressClass") object.findings.push_back(programmed(key, object));
  }
  return report;
}

void ControlLoop::write_status_file() {
  const auto written = status_file_.write(full_report(), intake_.problems());
  if (!written) {
    log::warning("status.json cannot be written", {{"reason", to_string(written.error())}});
  }
}

void ControlLoop::send_status() {
  sink_due_.reset();
  if (sink_ != nullptr) sink_->update({full_report(), publisher_.generation()});
}

void ControlLoop::share_state(std::string publish_error) {
  metrics_.generation.Set(static_cast<double>(publisher_.generation()));
  metrics_.programmed_generation.Set(static_cast<double>(publisher_.programmed_generation()));
  const std::lock_guard lock(state_mutex_);
  state_ = State{intake_.synced(), publish_error.empty(), std::move(publish_error),
                 publisher_.generation(), publisher_.programmed_generation()};
}

}  // namespace toyou::loop
