// The control loop: events of the source -> object store -> translation -> snapshot -> status. One
// thread owns all of it between start() and stop(); nothing is published before the source has
// reported everything that existed at its start. After that a change costs what it touches, down to
// the rename of the manifest; what costs more (the status of all objects) is paced.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.hpp"
#include "common/debounce.hpp"
#include "common/directory_watch.hpp"
#include "common/limits.hpp"
#include "common/owned_fd.hpp"
#include "common/snapshot_store.hpp"
#include "controller/loop/condition_board.hpp"
#include "controller/loop/event_queue.hpp"
#include "controller/loop/intake.hpp"
#include "controller/loop/metrics.hpp"
#include "controller/loop/paced.hpp"
#include "controller/publish/snapshot_publisher.hpp"
#include "controller/publish/status_file.hpp"
#include "controller/publish/status_sink.hpp"
#include "controller/source/source.hpp"
#include "controller/translate/translator.hpp"

namespace toyou::loop {

struct Options {
  translate::Options translate;
  std::function<WallTime()> wall_clock = &std::chrono::system_clock::now;
  Debounce::Waits waits{limits::kPublishAlone, limits::kPublishSeries, limits::kPublishMax};
  Millis retry_min{100};  // after a publish that failed; doubles up to retry_max
  Millis retry_max{10'000};
  Millis poll{1000};          // of loaded.json, behind inotify
  Millis confirm_grace{250};  // the status sink waits that long for the dataplane to confirm, so
                              // that an ordinary change costs one write to the API server, not two
};

// For /readyz.
struct State {
  bool synced = false;
  bool published = false;     // at least once, and the last attempt did not fail
  std::string publish_error;  // of the last attempt; empty: none
  std::uint64_t generation = 0;
  std::uint64_t programmed_generation = 0;
  std::vector<std::string> problems;  // one sentence each: of the source, then of the translation
};

class ControlLoop {
 public:
  // `source` (and `sink`, if any) have to live until stop() has returned.
  ControlLoop(Options options, snapshot::Writer writer, source::Source& source,
              publish::StatusSink* sink, Metrics& metrics);
  ~ControlLoop();
  ControlLoop(const ControlLoop&) = delete;
  ControlLoop& operator=(const ControlLoop&) = delete;

  void start();  // starts the source as well
  void stop();   // stops the source, joins the thread

  [[nodiscard]] State state() const;  // any thread

 private:
  using Steady = std::chrono::steady_clock;

  void run();
  void recall_secrets();
  void wait();
  void take_events(Steady::time_point now);
  void follow_dataplane(Steady::time_point now);
  void follow_certificates(Steady::time_point now);
  void log_warnings();
  void publish(Steady::time_point now);
  void publish_failed(const Error& error, Steady::time_point now);
  void write_status_file();
  void send_status();
  void note_conditions(const std::set<resources::ObjectKey>& touched, Steady::time_point now);
  void share_state(std::string publish_error);
  void share_problems();
  [[nodiscard]] std::optional<Steady::time_point> publish_due() const;
  [[nodiscard]] Steady::time_point next_wake() const;

  const Options options_;
  source::Source& source_;
  publish::StatusSink* sink_;
  Metrics& metrics_;
  EventQueue queue_;
  OwnedFd stop_;
  std::thread thread_;

  // Loop's thread only.
  Intake intake_;
  publish::SnapshotPublisher publisher_;
  translate::Translator translator_;
  ConditionBoard conditions_;
  publish::StatusFile status_file_;
  std::optional<DirectoryWatch> watch_;
  bool translated_ = false;
  std::vector<std::string> warnings_;  // of the last translation, logged
  Debounce changes_;                   // not yet published
  std::optional<Steady::time_point> retry_at_;
  Millis retry_after_;
  Steady::time_point next_poll_;
  Paced status_file_pace_;
  Paced sink_pace_;

  mutable std::mutex state_mutex_;
  State state_;
};

}  // namespace toyou::loop
