#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "dataplane/http/error_response.hpp"

namespace toyou::http {
namespace {

std::string rendered(const ErrorAnswer& answer, const ErrorForm& form) {
  std::string out;
  append_error_response(out, answer, form);
  return out;
}

std::string body_of(const std::string& response) {
  return response.substr(response.find("\r\n\r\n") + 4);
}

TEST(ErrorResponse, EveryCauseMakesAProblemDocument) {
  for (const CauseInfo& cause : all_causes()) {
    if (cause.http_status == 0) continue;
    const std::string response = rendered({.cause = cause.cause}, {.request_id = "ID"});
    const auto document = nlohmann::json::parse(body_of(response));
    EXPECT_EQ(document["type"], "urn:toyou:cause:" + std::string(cause.word));
    EXPECT_EQ(document["title"], cause.sentence);
    EXPECT_EQ(document["status"], cause.http_status);
    EXPECT_EQ(document["cause"], cause.word);
    EXPECT_EQ(document["requestId"], "ID");
    EXPECT_NE(response.find("Content-Length: " + std::to_string(body_of(response).size()) + "\r\n"),
              std::string::npos);
    EXPECT_NE(reason_phrase(cause.http_status), "Error") << cause.word;
  }
}

TEST(ErrorResponse, TextForWhoAsksForIt) {
  const std::string response =
      rendered({.cause = Cause::NoRoute}, {.request_id = "ID", .text = true, .close = false});
  EXPECT_TRUE(response.starts_with("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain"));
  EXPECT_EQ(body_of(response), "404 Not Found\nno route\ncause: no_route\nrequest: ID\n");
  EXPECT_EQ(response.find("Connection:"), std::string::npos);
}

TEST(ErrorResponse, HeadGetsTheHeadAlone) {
  const std::string response =
      rendered({.cause = Cause::NoRoute}, {.request_id = "ID", .head_only = true});
  EXPECT_EQ(body_of(response), "");
  EXPECT_NE(response.find("Connection: close\r\n"), std::string::npos);
}

TEST(ErrorResponse, TellsWhenToComeBackWhereThatHelps) {
  const ErrorForm form{.request_id = "ID", .retry_after_s = 3};
  EXPECT_NE(rendered({.cause = Cause::LimitTotal}, form).find("Retry-After: 3\r\n"),
            std::string::npos);
  EXPECT_NE(rendered({.cause = Cause::LimitClient}, form).find("Retry-After: 3\r\n"),
            std::string::npos);
  EXPECT_EQ(rendered({.cause = Cause::Refused}, form).find("Retry-After"), std::string::npos);
}

TEST(ErrorResponse, CarriesExtraFieldsAndAStatusOfItsOwn) {
  const std::string response = rendered({.cause = Cause::ClientProtocol,
                                         .status = 426,
                                         .detail = "version 13",
                                         .extra_fields = "Sec-WebSocket-Version: 13\r\n"},
                                        {.request_id = "ID"});
  EXPECT_TRUE(response.starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
  EXPECT_NE(response.find("\r\nSec-WebSocket-Version: 13\r\n"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(body_of(response))["detail"], "version 13");
}

TEST(ErrorResponse, AcceptChooses) {
  const auto text = [](const char* value) {
    Fields fields;
    fields.add(FieldId::accept, "Accept", value);
    return prefers_text(fields);
  };
  EXPECT_TRUE(text("text/html,application/xhtml+xml,*/*;q=0.8"));
  EXPECT_TRUE(text("Text/Plain"));
  EXPECT_FALSE(text("*/*"));
  EXPECT_FALSE(text("application/json, text/plain"));
  EXPECT_FALSE(prefers_text(Fields{}));
}

}  // namespace
}  // namespace toyou::http
