// From the source's threads to the control loop's: the sink of every source. Bounded: a source that
// is faster than the loop waits.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "common/owned_fd.hpp"
#include "controller/source/source.hpp"

namespace toyou::loop {

struct Upsert {
  nlohmann::json object;
  source::TextPosition position;
};
struct Remove {
  resources::ObjectKey key;
};
struct Group {
  bool begins = false;  // else it ends
};
struct Synced {};
struct Problems {
  std::vector<source::InputProblem> problems;
};
using Event = std::variant<Upsert, Remove, Group, Synced, Problems>;

class EventQueue final : public source::Sink {
 public:
  static constexpr std::size_t kCapacity = 10'000;

  EventQueue();

  void upsert(nlohmann::json object, std::string origin) override;
  void upsert_from_file(nlohmann::json object, source::TextPosition position) override;
  void remove(resources::ObjectKey key) override;
  void begin_group() override;
  void end_group() override;
  void synced() override;
  void problems(std::vector<source::InputProblem> problems) override;

  // The loop's side. `fd` is readable while events wait; `take` gives all of them in order.
  [[nodiscard]] int fd() const { return ready_.get(); }
  [[nodiscard]] std::vector<Event> take();
  // Events are dropped from now on, and sources that wait are let go: the loop is gone.
  void close();

 private:
  void push(Event event);

  std::mutex mutex_;
  std::condition_variable taken_;
  std::vector<Event> events_;
  bool closed_ = false;
  OwnedFd ready_;
};

}  // namespace toyou::loop
