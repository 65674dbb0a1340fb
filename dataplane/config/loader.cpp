#include "dataplane/config/loader.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "common/log.hpp"

namespace toyou::config {
namespace {

using snapshot::LoadReport;
using snapshot::LoadState;

constexpr int kPollMs = 1'000;  // behind inotify: network file systems, a full queue

std::int64_t micros(SteadyTime from, SteadyTime to) {
  return std::chrono::duration_cast<std::chrono::microseconds>(to - from).count();
}

}  // namespace

Loader::Loader(std::string directory, const Clock& clock, OnTables on_tables)
    : reader_(directory),
      clock_(clock),
      on_tables_(std::move(on_tables)),
      directory_(std::move(directory)) {}

Loader::~Loader() {
  stop();
}

void Loader::start() {
  TOYOU_ASSERT(!thread_.joinable());
  wake_ = OwnedFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  TOYOU_ASSERT(static_cast<bool>(wake_));  // only out of descriptors at start
  stopping_ = false;
  reader_.remove_leftovers();
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "loader");
}

void Loader::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written =
      ::write(wake_.get(), &one, sizeof one);  // cannot be full
  thread_.join();
  watch_.reset();
}

void Loader::run() {
  while (!stopping_) {
    // The watch stands before the read: a manifest that comes in between wakes the next round.
    if (!watch_) {
      auto watch = DirectoryWatch::open(directory_, IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF);
      if (watch) watch_.emplace(std::move(*watch));
    }
    poll_once();
    wait();
  }
}

void Loader::wait() {
  const SteadyTime end = std::chrono::steady_clock::now() + Millis{kPollMs};
  while (!stopping_) {
    const auto left = std::chrono::ceil<Millis>(end - std::chrono::steady_clock::now()).count();
    if (left <= 0) return;
    std::array<pollfd, 2> fds{{{wake_.get(), POLLIN, 0}, {watch_ ? watch_->fd() : -1, POLLIN, 0}}};
    const int ready = ::poll(fds.data(), fds.size(), static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return;
    if (ready <= 0 || !watch_ || (fds[1].revents & POLLIN) == 0) continue;
    const std::vector<DirectoryEvent> events = watch_->read();
    const auto matters = [](const DirectoryEvent& event) {
      return event.name == "manifest.json" || (event.mask & IN_Q_OVERFLOW) != 0;
    };
    const auto gone = [](const DirectoryEvent& event) {
      return (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0;
    };
    if (std::any_of(events.begin(), events.end(), gone)) watch_.reset();
    if (std::any_of(events.begin(), events.end(), matters)) return;  // not our own loaded.json
  }
}

void Loader::poll_once() {
  if (load(/*fallback=*/false) || tables_ != nullptr) return;
  load(/*fallback=*/true);
}

// True when new tables are in force.
bool Loader::load(bool fallback) {
  const SteadyTime begun = clock_.steady();
  const snapshot::Reader::Outcome outcome = reader_.read(fallback);
  if (!outcome) {
    refuse(outcome.error(), begun, fallback);
    return false;
  }
  if (outcome->has_value()) {
    return take(**outcome, begun, fallback);
  }
  if (!fallback && status_.last_refused && reader_.up_to_date()) {
    // The refused manifest was taken back: the snapshot that runs is the newest again.
    status_.last_refused = false;
    write_report(loaded_, begun);
  }
  return false;
}

// False: OpenSSL refuses something, and so the snapshot.
bool Loader::take(const snapshot::Update& update, SteadyTime begun, bool fallback) {
  const bool report = !fallback || !status_.last_refused;
  auto certificates =
      tls::CertificateTable::build(update, tables_ ? tables_->certificates() : nullptr);
  auto peers = tls::PeerTable::build(update, tables_ ? tables_->peers() : nullptr);
  if (!certificates || !peers) {
    std::vector<snapshot::Problem>& problems = certificates ? peers.error() : certificates.error();
    refuse(reader_.refuse(update, std::move(problems), fallback), begun, fallback);
    return false;
  }
  tables_ = Tables::build(update, tables_, {std::move(*certificates), std::move(*peers)});
  on_tables_(tables_);
  // good.json before loaded.json: once the writer reads that this manifest is loaded, it removes
  // what only older ones name.
  if (const auto accepted = reader_.accept(update); !accepted) {
    log::warning("good.json was not written", {{"error", to_string(accepted.error())}});
  }
  status_.generation = update.manifest.generation;
  ++status_.loads_loaded;
  loaded_ = LoadReport{.generation = update.manifest.generation,
                       .manifest = update.manifest_sha256,
                       .state = LoadState::Loaded,
                       .at = {},
                       .took_us = 0,
                       .errors = {}};
  status_.last_load_us = micros(begun, clock_.steady());
  if (report) {
    status_.last_refused = false;
    write_report(loaded_, begun);
  }
  log::info("snapshot loaded", {{"generation", update.manifest.generation},
                                {"changed", update.changed.size()},
                                {"removed", update.removed.size()},
                                {"routes", tables_->route_count()},
                                {"certificates", tables_->certificates()->size()},
                                {"took_us", status_.last_load_us.load()}});
  return true;
}

void Loader::refuse(const snapshot::Reader::Refusal& refusal, SteadyTime begun, bool fallback) {
  if (fallback
          ? fallback_errors_ == refusal.problems
          : report_.state == LoadState::Refused && report_.manifest == refusal.manifest_sha256 &&
                report_.errors == refusal.problems) {
    return;  // an error that another try did not mend
  }
  const snapshot::Problem& first = refusal.problems.front();
  log::error(fallback ? "good.json refused" : "snapshot refused",
             {{"generation", refusal.generation},
              {"key", first.key},
              {"pointer", first.pointer},
              {"error", first.message},
              {"errors", refusal.problems.size()}});
  if (fallback) {  // loaded.json answers manifest.json
    fallback_errors_ = refusal.problems;
    return;
  }
  ++status_.loads_refused;
  status_.last_refused = true;
  write_report(LoadReport{.generation = refusal.generation,
                          .manifest = refusal.manifest_sha256,
                          .state = LoadState::Refused,
                          .at = {},
                          .took_us = 0,
                          .errors = refusal.problems},
               begun);
}

void Loader::write_report(LoadReport report, SteadyTime begun) {
  report.at = rfc3339(clock_.wall());
  report.took_us = micros(begun, clock_.steady());
  report_ = std::move(report);
  if (const auto written = reader_.write_report(report_); !written) {
    log::warning("loaded.json was not written", {{"error", to_string(written.error())}});
  }
}

}  // namespace toyou::config
