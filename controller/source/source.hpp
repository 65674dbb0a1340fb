// Where source objects come from. A source runs its own threads and reports events to a Sink; the
// sink queues them for the control loop.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "controller/resources/object_key.hpp"

namespace toyou::source {

// A manifest that could not be read: reported, and its last good content stays in force.
struct InputProblem {
  std::string file;   // path, or API resource
  int line = 0;       // 1-based; 0: not known
  std::string field;  // "spec.rules[0].host"; empty: not known
  std::string message;
};

// Where the text of an object stands, for messages about its fields.
struct TextPosition {
  std::string file;
  int line = 0;                                  // of the object; 1-based, 0: not known
  std::function<int(std::string_view)> line_of;  // of a field of the object; may be empty
};

class Sink {
 public:
  virtual ~Sink() = default;
  // Thread-safe. `origin` says where the object stands ("web.yaml:12"), for messages.
  virtual void upsert(nlohmann::json object, std::string origin) = 0;
  // The same for an object that was read from a file: should it not decode, the problem is reported
  // with the line of the field.
  virtual void upsert_from_file(nlohmann::json object, TextPosition position) {
    const std::string line = std::to_string(position.line);
    upsert(std::move(object), std::move(position.file) + ":" + line);
  }
  virtual void remove(resources::ObjectKey key) = 0;
  // What is reported in between is put into force in one piece: the objects of a file, and of files
  // that changed at once. By one thread in turn, never within each other.
  virtual void begin_group() {}
  virtual void end_group() {}
  // Everything that existed at the start has been reported. Called once.
  virtual void synced() = 0;
  // The whole current list of problems with the input; replaces the one before.
  virtual void problems(std::vector<InputProblem> problems) = 0;
};

class Source {
 public:
  virtual ~Source() = default;
  virtual void start(Sink& sink) = 0;
  virtual void stop() = 0;  // joins its threads; no event after it returns
};

}  // namespace toyou::source
