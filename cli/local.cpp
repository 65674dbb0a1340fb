#include "cli/local.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/state_directory.hpp"
#include "cli/supervisor.hpp"

namespace toyou::cli {

namespace {

constexpr int kFailed = 1;
constexpr unsigned kMaxWorkers = 256;  // what the dataplane takes

// The other programs are installed beside this one.
std::string beside_us(const std::string& name) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (error ? std::filesystem::path(name) : self.parent_path() / name).string();
}

std::vector<std::string> log_flags(const log::Options& options) {
  return {"--log-level", std::string(log::to_string(options.level)), "--log-format",
          options.format == log::Format::Json ? "json" : "text"};
}

std::vector<std::string> with(std::vector<std::string> argv, const std::vector<std::string>& more) {
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

Supervisor::Program controller(const LocalOptions& options, const std::string& state) {
  auto argv = with({beside_us("toyou-controller"), "--source", "directory", "--directory",
                    options.directory, "--snapshot-dir", state, "--admin-address", "127.0.0.1:0"},
                   log_flags(options.log));
  if (!options.default_certificate.empty()) {
    argv = with(std::move(argv), {"--default-certificate", options.default_certificate});
  }
  if (!options.ticket_key_secret.empty()) {
    argv = with(std::move(argv), {"--ticket-key-secret", options.ticket_key_secret});
  }
  return {"toyou-controller", Output::ToStandardError,
          [argv = std::move(argv)](const std::optional<Ports>&) { return argv; }};
}

Supervisor::Program dataplane(const LocalOptions& options, const std::string& state) {
  const auto argv = [options, state](const std::optional<Ports>& known) {
    // Started again, it gets the ports that the ready line named.
    const Ports ports =
        known.value_or(Ports{options.http_port, options.https_port, options.admin_port});
    auto words = with(
        {beside_us("toyou-dataplane"), "--snapshot-dir", state, "--http-port",
         std::to_string(ports.http), "--https-port", std::to_string(ports.https), "--admin-address",
         "127.0.0.1:" + std::to_string(ports.admin), "--tls-redirect-port", "0"},
        log_flags(options.log));
    if (options.workers > 0) words = with(words, {"--workers", std::to_string(options.workers)});
    return words;
  };
  return {"toyou-dataplane", Output::ToPipe, argv};
}

// Empty: fine.
std::string problem_with(const std::string& directory) {
  std::error_code error;
  const auto status = std::filesystem::status(directory, error);
  if (status.type() == std::filesystem::file_type::not_found)
    return directory + ": no such directory";
  if (error) return directory + ": " + error.message();
  if (!std::filesystem::is_directory(status)) return directory + ": not a directory";
  if (::access(directory.c_str(), R_OK | X_OK) != 0) return directory + ": cannot be read";
  return {};
}

}  // namespace

void add_local_command(flags::Parser& program, LocalOptions& options) {
  flags::Parser& local = program.command(
      "local", "Serve the manifests of a directory: controller and dataplane on this machine.");
  local.positional("DIR", options.directory, "Manifests (*.yaml, *.yml, *.json)");
  local.port("--http-port", options.http_port, "Plain HTTP; 0 picks a free port");
  local.port("--https-port", options.https_port, "HTTPS; 0 picks a free port");
  local.port("--admin-port", options.admin_port, "Admin API on 127.0.0.1; 0 picks a free port");
  local.number("--workers", options.workers, 0, kMaxWorkers, "Threads that serve; 0: one per core");
  local.text("--default-certificate", options.default_certificate, "NS/NAME",
             "Secret whose certificate is shown where no other is");
  local.text("--ticket-key-secret", options.ticket_key_secret, "NS/NAME",
             "Secret with the keys of TLS session tickets, so that they outlive a restart");
  local.text(
      "--state-dir", options.state_dir, "DIR",
      "Where snapshots are kept; default: a temporary directory, in memory where there is room");
  local.log(options.log);
  local.footer(
      "Once traffic can be served, one line \"ready http=PORT https=PORT admin=PORT\" goes to "
      "standard\n"
      "output; logs go to standard error. Edits of the manifests are live within 100 ms.");
}

int run_local(const LocalOptions& options, const flags::Parser& program) {
  if (const std::string words = problem_with(options.directory); !words.empty()) {
    return program.refuse(words);
  }
  block_signals();
  log::Options log_options = options.log;
  log_options.component = "local";
  log::start(log_options);
  int status = kFailed;
  if (auto state = StateDirectory::open(options.state_dir); !state) {
    log::error("cannot use the state directory", {{"reason", to_string(state.error())}});
  } else {
    Supervisor supervisor({controller(options, state->path()), dataplane(options, state->path())});
    status = supervisor.run();
  }
  log::stop();
  return status;
}

}  // namespace toyou::cli
