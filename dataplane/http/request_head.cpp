#include "dataplane/http/request_head.hpp"

#include <algorithm>
#include <utility>

#include "common/hostname.hpp"
#include "common/limits.hpp"
#include "common/url_path.hpp"
#include "dataplane/http/field_sink.hpp"

namespace toyou::http {
namespace {

// RFC 9110 section 15.5.6. Other methods pass, too: these are those that are well known.
constexpr std::string_view kAllow = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";

constexpr HeadFault bad(std::string_view detail) {
  return {400, detail};
}

class RequestSink final : public FieldSink<true> {
 public:
  RequestSink(std::string_view bytes, RequestHead& head)
      : FieldSink<true>(bytes, head.fields), head_(head) {}

 private:
  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target,
                       int version, error_code&) override {
    head_.method = view_of(method);
    head_.target = view_of(target);
    head_.http10 = version == 10;
  }

  RequestHead& head_;
};

// RFC 9112 section 6.1 and 6.3; Beast has refused some of it, and lets "xchunked" pass as no body.
std::optional<HeadFault> find_framing(RequestHead& head) {
  const std::size_t codings = head.fields.count(FieldId::transfer_encoding);
  const std::size_t lengths = head.fields.count(FieldId::content_length);
  head.framing = {};
  if (codings > 0) {
    if (lengths > 0) return bad("Content-Length beside Transfer-Encoding");
    if (codings > 1) return bad("more than one Transfer-Encoding");
    if (head.http10) return bad("Transfer-Encoding in HTTP/1.0");
    const Field* coding = head.fields.find(FieldId::transfer_encoding);
    if (!equal_ignoring_case(coding->value, "chunked")) {
      return HeadFault{501, "no transfer coding but chunked is understood"};
    }
    head.framing.kind = Framing::Kind::Chunked;
  } else if (lengths > 0) {
    if (lengths > 1) return bad("more than one Content-Length");
    const auto length = parse_content_length(head.fields.find(FieldId::content_length)->value);
    if (!length) return bad("Content-Length is not one number");
    head.framing = {Framing::Kind::Length, *length};
  }
  return std::nullopt;
}

bool starts_with_scheme(std::string_view target, std::string_view scheme) {
  return target.size() > scheme.size() &&
         equal_ignoring_case(target.substr(0, scheme.size()), scheme);
}

// Origin form, or absolute form, whose authority then stands for Host (H1).
std::optional<HeadFault> split_target(RequestHead& head, std::string_view& path) {
  std::string_view rest = head.target;
  head.absolute_form = false;
  if (rest.size() > limits::kTargetBytes) return HeadFault{414, "the target is too long"};
  if (rest.find('#') != std::string_view::npos) return bad("the target holds a fragment");
  if (head.method == "CONNECT") return HeadFault{405, "CONNECT is not served", kAllow};
  if (rest.front() != '/') {
    const std::size_t scheme = starts_with_scheme(rest, "http://")    ? 7
                               : starts_with_scheme(rest, "https://") ? 8
                                                                      : 0;
    if (scheme == 0) return bad("the target is neither a path nor an http URL");
    rest.remove_prefix(scheme);
    const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    head.absolute_form = true;
    head.authority = rest.substr(0, end);
    rest.remove_prefix(end);
    if (head.authority.empty()) return bad("the target names no host");
  }
  const std::size_t question = std::min(rest.find('?'), rest.size());
  path = question == 0 ? std::string_view("/") : rest.substr(0, question);
  head.query = rest.substr(question);
  return std::nullopt;
}

std::optional<HeadFault> find_host(RequestHead& head) {
  const std::size_t hosts = head.fields.count(FieldId::host);
  if (hosts > 1) return bad("more than one Host");
  if (hosts == 0 && !head.http10) return bad("no Host");
  std::string_view field;
  if (hosts == 1) field = head.fields.find(FieldId::host)->value;
  Result<std::string> host = normalise_request_host(field);
  if (host && head.absolute_form) host = normalise_request_host(head.authority);
  if (!host) return bad("the host is malformed");
  if (!head.absolute_form) head.authority = field;
  head.host = std::move(*host);
  return std::nullopt;
}

std::optional<HeadFault> find_options(RequestHead& head) {
  if (!head.fields.mark_hop_by_hop()) return bad("Connection names too many fields");
  const bool close = head.fields.has_token(FieldId::connection, "close");
  const bool keep = head.fields.has_token(FieldId::connection, "keep-alive");
  head.keep_alive = !close && (!head.http10 || keep);
  head.expect_continue = false;
  const Field* expect = head.fields.find(FieldId::expect);
  if (expect == nullptr) return std::nullopt;
  if (head.fields.count(FieldId::expect) > 1 ||
      !equal_ignoring_case(expect->value, "100-continue")) {
    return HeadFault{417, "no expectation but 100-continue is understood"};
  }
  head.expect_continue = !head.http10 && head.framing.kind != Framing::Kind::None;
  return std::nullopt;
}

}  // namespace

std::optional<HeadFault> parse_request_head(std::string_view bytes, RequestHead& head) {
  head.authority = {};
  RequestSink sink(bytes, head);
  if (!sink.parse()) {
    if (sink.too_many_fields()) return HeadFault{431, "too many header fields"};
    return bad("the request head is malformed");
  }
  std::string_view path;
  if (auto fault = split_target(head, path)) return fault;
  if (auto fault = find_framing(head)) return fault;
  if (auto fault = find_host(head)) return fault;
  if (auto fault = find_options(head)) return fault;
  Result<std::string> normal = normalise_request_path(path);
  if (!normal) return bad("the path is malformed or leaves the root");
  head.path = std::move(*normal);
  return std::nullopt;
}

}  // namespace toyou::http
