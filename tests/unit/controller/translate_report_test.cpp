#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "controller/translate/report.hpp"
#include "controller/translate/translate.hpp"

namespace toyou::translate {
namespace {

Finding partly(const std::string& reason, const std::string& message) {
  return {ConditionType::PartiallyInvalid, true, reason, message, ""};
}

TEST(Conditions, TheFirstFindingOfATypeDecidesTheReason) {
  ObjectReport report;
  report.findings = {partly("Invalid", "one"),
                     partly("HostnameOwned", "two"),
                     {ConditionType::Accepted, true, "Accepted", "yes", ""}};
  const std::vector<Condition> expected{
      {ConditionType::Accepted, true, "Accepted", "yes"},
      {ConditionType::PartiallyInvalid, true, "Invalid", "one; two"}};
  EXPECT_EQ(conditions(report), expected);
}

TEST(Conditions, MessagesAreBoundedAndStayUtf8) {
  ObjectReport report;
  std::string umlauts = "x";
  for (int i = 0; i < 1000; ++i) umlauts += "ü";
  for (int i = 0; i < 20; ++i) report.findings.push_back(partly("Invalid", umlauts));
  const std::string message = conditions(report).at(0).message;
  EXPECT_LT(message.size(), 5000U);
  EXPECT_NE(message.find("and 12 more"), std::string::npos);
  EXPECT_NO_THROW((void)nlohmann::json(message).dump());
}

TEST(ParseServiceAddress, ReadsNumbersAndNames) {
  const auto number = parse_service_address("ops/fallback:80");
  ASSERT_TRUE(number.has_value());
  EXPECT_EQ(number->ns, "ops");
  EXPECT_EQ(number->service.name, "fallback");
  EXPECT_EQ(number->service.port.number, 80);
  const auto name = parse_service_address("ops/fallback:http");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->service.port.name, "http");
  for (const char* bad :
       {"", "a", "a/b", "/b:80", "a/:80", "a/b:", "a/b/c:80", "a b/c:80", "a/b:0", "a/b:65536"}) {
    EXPECT_FALSE(parse_service_address(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace toyou::translate
