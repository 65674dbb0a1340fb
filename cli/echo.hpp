// `toyou echo`: a backend to try a proxy with. It answers HTTP, echoes WebSocket messages and sends
// a stream of events. One thread; bounded: 64 connections, 8 KiB heads, 64 KiB bodies and messages,
// 30 s for a request, 60 s of silence on a WebSocket, 5 minutes for a stream.
#pragma once

#include <cstdint>
#include <string>

#include "common/flags.hpp"

namespace toyou::cli {

struct EchoOptions {
  std::string address = "127.0.0.1";  // "::" or "0.0.0.0": all
  std::uint16_t port = 7070;          // 0 picks a free one
};

void add_echo_command(flags::Parser& program, EchoOptions& options);

// Runs until SIGTERM or SIGINT; the exit status of the program. "ready port=PORT" goes to standard
// output.
int run_echo(const EchoOptions& options, const flags::Parser& program);

}  // namespace toyou::cli
