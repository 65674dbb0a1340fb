// The command line of each program: flags bound to values, --help, --version, and one way to
// refuse. A flag that is unknown, malformed, out of range, missing or given twice ends the program
// with status 2 and exactly one line on standard error. Values stay untouched where a flag is
// absent.
//
//   flags::Parser flags("toyou-dataplane", "Proxies ...");
//   flags.text("--snapshot-dir", options.snapshot_dir, "DIR", "Where ...").required();
//   if (const auto status = flags.parse(argc, argv)) return *status;
//
// Main thread, at start.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.hpp"
#include "common/log.hpp"
#include "common/result.hpp"

namespace toyou::flags {

inline constexpr int kUsageStatus = 2;  // exit status of a command line that we refuse

// One flag, to say more about it.
class Flag {
 public:
  Flag& required();

 private:
  friend class Parser;
  explicit Flag(void* option) : option_(option) {}
  void* option_;
};

class Parser {
 public:
  Parser(const std::string& program, std::string description);
  Parser(Parser&&) noexcept;
  ~Parser();

  // `placeholder` names the value in the help text ("DIR", "N"). Defaults shown in the help text
  // are the bound values at the time of the call.
  Flag text(std::string_view name, std::string& value, std::string_view placeholder,
            std::string_view help);
  Flag port(std::string_view name, std::uint16_t& value, std::string_view help);
  Flag number(std::string_view name, std::uint64_t& value, std::uint64_t min, std::uint64_t max,
              std::string_view help);
  Flag number(std::string_view name, unsigned& value, unsigned min, unsigned max,
              std::string_view help);
  Flag duration(std::string_view name, Millis& value, std::string_view help);  // "10s", "250ms"
  Flag toggle(std::string_view name, bool& value, std::string_view help);      // present: true
  // Comma-separated, and may be repeated.
  Flag list(std::string_view name, std::vector<std::string>& values, std::string_view placeholder,
            std::string_view help);
  Flag choice(std::string_view name, std::string& value, std::vector<std::string> allowed,
              std::string_view help);
  // For values with a grammar of their own: `accept` stores the value or says what is wrong with
  // it.
  Flag custom(std::string_view name, std::string_view placeholder, std::string_view shown_default,
              std::string_view help, std::function<Result<void>(const std::string&)> accept);
  // --log-level and --log-format.
  void log(log::Options& options);
  Flag positional(std::string_view name, std::string& value, std::string_view help);

  // Sub-commands: exactly one must be given when there are any.
  Parser& command(std::string_view name, std::string_view description);
  // Name of the sub-command that was given.
  [[nodiscard]] std::string chosen() const;

  // Text after the list of flags.
  void footer(std::string_view text);

  // nullopt: go on. Else the exit status: help and version were printed (0), or the command line
  // was refused (2).
  [[nodiscard]] std::optional<int> parse(int argc, const char* const* argv);

  // For what only shows once all flags are known ("--kubeconfig needs --source kubernetes"): prints
  // the one line and gives the exit status.
  [[nodiscard]] int refuse(std::string_view message) const;

 private:
  struct Impl;
  explicit Parser(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace toyou::flags
