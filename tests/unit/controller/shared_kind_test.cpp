#include "controller/source/shared_kind.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace toyou::source {
namespace {

using resources::ObjectKey;

class RecordingSink final : public Sink {
 public:
  std::vector<std::string> log;
  void upsert(nlohmann::json object, std::string) override {
    log.push_back("+" + object["metadata"]["name"].get<std::string>());
  }
  void remove(ObjectKey key) override { log.push_back("-" + key.name); }
  void synced() override { log.emplace_back("synced"); }
  void problems(std::vector<InputProblem>) override { log.emplace_back("problems"); }
};

nlohmann::json secret(const char* name) {
  return {{"kind", "Secret"}, {"metadata", {{"name", name}, {"namespace", "a"}}}};
}

TEST(SharedKind, KeepsWhatComesUpInAnotherWatch) {
  RecordingSink sink;
  SharedKind shared(sink);
  const auto one = shared.part();
  const auto two = shared.part();
  const ObjectKey x{"Secret", "a", "x"};
  one->upsert(secret("x"), "");
  two->upsert(secret("x"), "");  // made anew before the first watch tells of its end
  one->remove(x);
  EXPECT_EQ(sink.log, (std::vector<std::string>{"+x", "+x"}));
  two->remove(x);
  two->remove(x);
  one->upsert(secret("x"), "");
  one->remove(x);
  two->remove({"Secret", "a", "never"});
  one->synced();
  one->problems({});
  EXPECT_EQ(sink.log, (std::vector<std::string>{"+x", "+x", "-x", "+x", "-x"}));
}

}  // namespace
}  // namespace toyou::source
