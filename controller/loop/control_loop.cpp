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
      translator_(intake_.objects(), options_.translate),
      status_file_(publisher_.directory()),
      changes_(options_.waits),
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

// What was read of a Secret that was broken before this process began is in the snapshot, and only
// there (T6).
void ControlLoop::recall_secrets() {
  const auto read = snapshot::Reader(publisher_.directory()).read();
  if (!read || !*read) return;
  for (const auto& [key, object] : (*read)->changed) {
    if (const auto* certificate = std::get_if<snapshot::Certificate>(&object)) {
      intake_.recall(*certificate);
    } else if (const auto* client = std::get_if<snapshot::ClientCertificate>(&object)) {
      intake_.recall(*client);
    } else if (const auto* authority = std::get_if<snapshot::Authority>(&object)) {
      intake_.recall(*authority);
    }
  }
}

void ControlLoop::run() {
  recall_secrets();
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
    if (::eventfd_read(stop_.get(), &stopped) == 0) break;
    const auto now = Steady::now();
    take_events(now);
    follow_dataplane(now);
    if (const auto due = publish_due(); due && now >= *due) publish(now);
    if (const auto due = status_file_pace_.due(); due && now >= *due) write_status_file();
    if (const auto due = sink_pace_.due(); due && now >= *due) send_status();
  }
  if (status_file_pace_.due()) write_status_file();  // last words
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
  if (const auto due = status_file_pace_.due()) next = std::min(next, *due);
  if (const auto due = sink_pace_.due()) next = std::min(next, *due);
  return next;
}

// nullopt: nothing to publish, or not yet allowed to.
std::optional<ControlLoop::Steady::time_point> ControlLoop::publish_due() const {
  if (!intake_.synced() || intake_.within_group()) return std::nullopt;
  const auto due = changes_.due();
  return due && retry_at_ ? std::max(*due, *retry_at_) : due;
}

void ControlLoop::take_events(Steady::time_point now) {
  for (Event& event : queue_.take()) {
    if (intake_.apply(std::move(event))) changes_.note(now);
  }
  if (!intake_.settle()) return;
  metrics_.input_problems.Set(static_cast<double>(intake_.problems().size()));
  status_file_.set_input(intake_.problems());
  share_problems();
  if (translated_) status_file_pace_.ask(now);
}

void ControlLoop::follow_dataplane(Steady::time_point now) {
  bool look = now >= next_poll_;
  if (watch_) {
    for (const DirectoryEvent& event : watch_->read()) {
      look |= event.name == "loaded.json" || (event.mask & IN_Q_OVERFLOW) != 0;
    }
  }
  if (!look) return;
  follow_certificates(now);
  next_poll_ = now + options_.poll;
  if (!publisher_.refresh() || !translated_) return;
  note_conditions({}, now);
  sink_pace_.ask(now);
  share_state(state().publish_error);
}

// A certificate expires without any event.
void ControlLoop::follow_certificates(Steady::time_point now) {
  const auto expiry = translator_.next_expiry();
  if (!expiry || changes_.pending() || options_.wall_clock() <= *expiry) return;
  changes_.note(now);
}

void ControlLoop::log_warnings() {
  const std::vector<std::string>& warnings = translator_.current().warnings;
  for (const std::string& warning : warnings) {
    if (std::find(warnings_.begin(), warnings_.end(), warning) == warnings_.end()) {
      log::warning(warning);
    }
  }
  if (warnings_ == warnings) return;
  warnings_ = warnings;
  metrics_.warnings.Set(static_cast<double>(warnings_.size()));
  share_problems();
}

void ControlLoop::publish(Steady::time_point now) {
  changes_.act();
  metrics_.translations.Increment();
  metrics_.set_objects(intake_.objects());
  const auto& translation = translator_.update(intake_.take_changed(), options_.wall_clock());
  translated_ = true;
  log_warnings();

  const auto published = publisher_.publish(translation.snapshot, translator_.touched().objects);
  note_conditions(translator_.touched().reports, now);
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
  const bool confirmed = publisher_.programmed_generation() == publisher_.generation();
  sink_pace_.ask(confirmed ? now : now + options_.confirm_grace);
  share_state({});
}

void ControlLoop::publish_failed(const Error& error, Steady::time_point now) {
  metrics_.publish_failed.Increment();
  log::error("the snapshot cannot be published; the last one stays in force",
             {{"reason", to_string(error)}, {"retry_ms", retry_after_.count()}});
  changes_.note(now);
  retry_at_ = now + retry_after_;
  retry_after_ = std::min(retry_after_ * 2, options_.retry_max);
  share_state(to_string(error));
}

// To status.json, once the thread has rested from the last time.
void ControlLoop::note_conditions(const std::set<resources::ObjectKey>& touched,
                                  Steady::time_point now) {
  conditions_.update(translator_.current().report, touched, publisher_);
  for (const resources::ObjectKey& key : conditions_.take_dirty()) {
    const auto found = conditions_.report().find(key);
    if (found == conditions_.report().end()) {
      status_file_.remove(key);
    } else {
      status_file_.set(key, found->second);
    }
  }
  status_file_pace_.ask(now);
}

void ControlLoop::write_status_file() {
  const auto began = Steady::now();
  const auto written = status_file_.write();
  status_file_pace_.done(began, Steady::now());
  if (!written) {
    log::warning("status.json cannot be written", {{"reason", to_string(written.error())}});
  }
}

void ControlLoop::send_status() {
  const auto began = Steady::now();
  if (sink_ != nullptr) sink_->update({conditions_.report(), publisher_.generation()});
  sink_pace_.done(began, Steady::now());
}

void ControlLoop::share_state(std::string publish_error) {
  metrics_.generation.Set(static_cast<double>(publisher_.generation()));
  metrics_.programmed_generation.Set(static_cast<double>(publisher_.programmed_generation()));
  const std::lock_guard lock(state_mutex_);
  state_ = State{intake_.synced(),
                 publish_error.empty(),
                 std::move(publish_error),
                 publisher_.generation(),
                 publisher_.programmed_generation(),
                 std::move(state_.problems)};
}

void ControlLoop::share_problems() {
  std::vector<std::string> words;
  for (const source::InputProblem& problem : intake_.problems()) {
    std::string line = problem.file;
    if (problem.line > 0) line += ":" + std::to_string(problem.line);
    if (!problem.field.empty()) line += ": " + problem.field;
    words.push_back(line + ": " + problem.message);
  }
  words.insert(words.end(), warnings_.begin(), warnings_.end());
  const std::lock_guard lock(state_mutex_);
  state_.problems = std::move(words);
}

}  // namespace toyou::loop
