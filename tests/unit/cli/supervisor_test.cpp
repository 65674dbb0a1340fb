// Real children (shell scripts), driven by the ends that they come to.
#include "cli/supervisor.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/temp_dir.hpp"

namespace toyou::cli {
namespace {

Supervisor::Program script(const std::string& name, const std::string& text, Output output) {
  return {name, output, [text](const std::optional<Ports>& ports) {
            const std::string http = ports ? std::to_string(ports->http) : "none";
            return std::vector<std::string>{"/bin/sh", "-c", text, "sh", http};
          }};
}

// A supervisor in a process of its own, since it takes over signals: its status, and what it wrote
// to standard output.
std::pair<int, std::string> supervise(std::vector<Supervisor::Program> programs) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    block_signals();
    const int status = Supervisor(std::move(programs)).run();
    std::fflush(stdout);
    ::_exit(status);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[512];
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text};
}

constexpr const char* kReady = "echo 'ready http=11 https=12 admin=13'; ";
constexpr const char* kWait = "trap 'exit 0' TERM; while :; do sleep 0.01; done";

TEST(Supervisor, AChildThatEndsBeforeTheReadyLineEndsAll) {
  const auto [status, text] = supervise(
      {script("well", kWait, Output::ToStandardError), script("ends", "exit 3", Output::ToPipe)});
  EXPECT_EQ(status, 1);
  EXPECT_EQ(text, "");
}

TEST(Supervisor, AProgramThatIsNotThereEndsAll) {
  Supervisor::Program missing{"missing", Output::ToPipe, [](const auto&) {
                                return std::vector<std::string>{"/nonexistent/program"};
                              }};
  EXPECT_EQ(supervise({missing}).first, 1);
}

TEST(Supervisor, PassesTheReadyLineOnAndASignalDown) {
  const auto [status, text] = supervise(
      {script("well", kWait, Output::ToStandardError),
       script("serves", std::string(kReady) + "kill -TERM $PPID; " + kWait, Output::ToPipe)});
  EXPECT_EQ(status, 0);
  EXPECT_EQ(text, "ready http=11 https=12 admin=13\n");
}

TEST(Supervisor, StartsAgainWithThePortsOfTheReadyLineWhichIsShownOnce) {
  const test::TempDir directory;
  const std::string log = directory / "starts";
  // The first start fails after it was ready; the second ends the supervisor.
  const std::string text = "echo \"$1\" >> " + log + "; " + kReady + "[ \"$1\" = 11 ] || exit 7; " +
                           "kill -TERM $PPID; " + kWait;
  const auto [status, shown] = supervise({script("serves", text, Output::ToPipe)});
  EXPECT_EQ(status, 0);
  EXPECT_EQ(shown, "ready http=11 https=12 admin=13\n");
  std::FILE* file = std::fopen(log.c_str(), "r");
  ASSERT_NE(file, nullptr);
  char starts[64] = {};
  (void)std::fread(starts, 1, sizeof starts - 1, file);
  std::fclose(file);
  EXPECT_STREQ(starts, "none\n11\n");
}

TEST(Supervisor, AChildThatEndsBadlyWhileStoppingIsAFailure) {
  const auto [status, text] = supervise({script(
      "serves",
      std::string(kReady) + "trap 'exit 5' TERM; kill -TERM $PPID; while :; do sleep 0.01; done",
      Output::ToPipe)});
  EXPECT_EQ(status, 1);
}

}  // namespace
}  // namespace toyou::cli
