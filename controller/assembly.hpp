// The parts of the controller that depend on where objects come from, made from the command line.
#pragma once

#include <memory>

#include "common/result.hpp"
#include "controller/loop/metrics.hpp"
#include "controller/options.hpp"
#include "controller/publish/status_sink.hpp"
#include "controller/source/source.hpp"

namespace toyou {

struct Parts {
  std::unique_ptr<source::Source> source;
  std::unique_ptr<publish::StatusSink> sink;  // none: conditions are in status.json only
};

// Adds the source's figures to `metrics`, whose page must not be asked for after the parts are
// gone.
Result<Parts> make_parts(const ControllerOptions& options, loop::Metrics& metrics);

}  // namespace toyou
