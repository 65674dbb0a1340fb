// `toyou probe URL`: does a route to `toyou echo` serve HTTP, a WebSocket and a stream of events?
#pragma once

#include <string>
#include <vector>

#include "common/clock.hpp"
#include "common/flags.hpp"

namespace toyou::cli {

struct ProbeOptions {
  std::string url;                 // "http://HOST[:PORT]", of the proxy; empty: `ready` alone
  std::string host;                // the Host header; empty: that of the URL
  std::vector<std::string> ready;  // URLs that have to answer 200
  Millis wait{60'000};             // for all of it: a route may have to come into force
};

void add_probe_command(flags::Parser& program, ProbeOptions& options);

// One line a check, to standard output. The exit status: 0 when all passed, 1 when one did not in
// time.
int run_probe(const ProbeOptions& options, const flags::Parser& program);

}  // namespace toyou::cli
