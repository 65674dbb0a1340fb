#include "dataplane/http/error_response.hpp"

#include <fmt/format.h>

#include <iterator>

namespace toyou::http {
namespace {

bool worth_a_retry(Cause cause) {
  switch (cause) {
    case Cause::LimitTotal:
    case Cause::LimitRoute:
    case Cause::LimitClient:
    case Cause::Rate:
    case Cause::Overload:
    case Cause::NoEndpoint:
    case Cause::Drain:
      return true;
    default:
      return false;
  }
}

std::string problem_document(const ErrorAnswer& answer, std::string_view request_id) {
  const CauseInfo& cause = info(answer.cause);
  std::string body = fmt::format(R"({{"type":"urn:toyou:cause:{}","title":"{}","status":{},)",
                                 cause.word, cause.sentence, answer.http_status());
  if (!answer.detail.empty()) body += fmt::format(R"("detail":"{}",)", answer.detail);
  body += fmt::format(R"("cause":"{}","requestId":"{}"}})", cause.word, request_id);
  body += '\n';
  return body;
}

std::string text_document(const ErrorAnswer& answer, std::string_view request_id) {
  const CauseInfo& cause = info(answer.cause);
  const std::string_view detail = answer.detail.empty() ? cause.sentence : answer.detail;
  return fmt::format("{} {}\n{}\ncause: {}\nrequest: {}\n", answer.http_status(),
                     reason_phrase(answer.http_status()), detail, cause.word, request_id);
}

}  // namespace

void append_error_response(std::string& out, const ErrorAnswer& answer, const ErrorForm& form) {
  const std::string body = form.text ? text_document(answer, form.request_id)
                                     : problem_document(answer, form.request_id);
  fmt::format_to(std::back_inserter(out),
                 "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
                 "Cache-Control: no-store\r\nX-Request-Id: {}\r\n",
                 answer.http_status(), reason_phrase(answer.http_status()),
                 form.text ? "text/plain; charset=utf-8" : "application/problem+json", body.size(),
                 form.request_id);
  out.append(answer.extra_fields).append(form.added_fields);
  if (!answer.location.empty()) out.append("Location: ").append(answer.location).append("\r\n");
  if (form.retry_after_s > 0 && worth_a_retry(answer.cause)) {
    fmt::format_to(std::back_inserter(out), "Retry-After: {}\r\n", form.retry_after_s);
  }
  if (form.close) out += "Connection: close\r\n";
  out += "\r\n";
  if (!form.head_only) out += body;
}

bool prefers_text(const Fields& fields) {
  bool text = false;
  bool json = false;
  for (const Field& field : fields) {
    if (field.id != FieldId::accept) continue;
    for_each_element(field.value, [&](std::string_view element) {
      const std::string_view type = trim(element.substr(0, element.find(';')));
      text = text || equal_ignoring_case(type, "text/plain") ||
             equal_ignoring_case(type, "text/html") || equal_ignoring_case(type, "text/*");
      json = json || equal_ignoring_case(type, "application/json") ||
             equal_ignoring_case(type, "application/problem+json");
      return true;
    });
  }
  return text && !json;
}

std::string_view reason_phrase(std::uint16_t status) {
  switch (status) {
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 414:
      return "URI Too Long";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Error";
  }
}

}  // namespace toyou::http
