#include "dataplane/http/forward.hpp"

#include <fmt/format.h>

namespace toyou::http {
namespace {

char folded(char c) {
  if (c == '_') return '-';
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

// Backends that read fields as variables (CGI, WSGI) see no difference between X_Real_IP and
// X-Real-IP: a client must not reach them by the other spelling. `prefix`: lower case.
bool spelled_like(std::string_view name, std::string_view prefix) {
  if (name.size() < prefix.size()) return false;
  for (std::size_t i = 0; i < prefix.size(); ++i) {
    if (folded(name[i]) != prefix[i]) return false;
  }
  return true;
}

bool is_spelled(std::string_view name, std::string_view whole) {
  return name.size() == whole.size() && spelled_like(name, whole);
}

// Fields that tell who the client is: ours to say.
bool replaced(std::string_view name, bool trusted) {
  const char first = folded(name.front());
  if (first == 'f') return !trusted && is_spelled(name, "forwarded");
  if (first == 'p') return is_spelled(name, "proxy");  // a CGI backend's HTTP_PROXY
  if (first != 'x') return false;
  if (is_spelled(name, "x-real-ip") || is_spelled(name, "x-request-id") ||
      is_spelled(name, "x-forwarded-for") || is_spelled(name, "x-forwarded-proto") ||
      is_spelled(name, "x-forwarded-host") || spelled_like(name, "x-client-cert-")) {
    return true;
  }
  return !trusted && spelled_like(name, "x-forwarded-");
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_framing(std::string& out, const Framing& framing) {
  if (framing.kind == Framing::Kind::Chunked) out += "Transfer-Encoding: chunked\r\n";
  if (framing.kind == Framing::Kind::Length) {
    const fmt::format_int length(framing.length);
    append_field(out, "Content-Length", {length.data(), length.size()});
  }
}

void append_status_line(std::string& out, const ResponseHead& head) {
  const fmt::format_int status(head.status);
  out.append("HTTP/1.1 ").append(status.data(), status.size()).append(" ");
  out.append(head.reason).append("\r\n");
}

void append_end_to_end(std::string& out, const Fields& fields, std::string_view without = {}) {
  for (const Field& field : fields) {
    if (field.hop_by_hop || field.id == FieldId::content_length) continue;
    if (!without.empty() && equal_ignoring_case(field.name, without)) continue;
    append_field(out, field.name, field.value);
  }
}

// A backend's trailers are passed on in chunks, so is what it announced of them.
void append_trailer_names(std::string& out, const Fields& fields) {
  for (const Field& field : fields) {
    if (field.id == FieldId::trailer) append_field(out, field.name, field.value);
  }
}

// A 426 says which protocol would do (RFC 9110 section 15.5.22), as an option of this connection.
void append_wanted_protocol(std::string& out, const Fields& fields) {
  if (fields.find(FieldId::upgrade) == nullptr) return;
  for (const Field& field : fields) {
    if (field.id == FieldId::upgrade) append_field(out, field.name, field.value);
  }
  out += "Connection: Upgrade\r\n";
}

}  // namespace

void append_request_head(std::string& out, const RequestHead& head, const Forwarded& forwarded,
                         std::string_view request_id, Purpose purpose) {
  out.append(head.method).append(" ").append(head.path).append(head.query);
  out.append(" HTTP/1.1\r\n");
  append_field(out, "Host", head.authority);
  for (const Field& field : head.fields) {
    if (field.id == FieldId::host || field.id == FieldId::content_length ||
        field.id == FieldId::expect || field.hop_by_hop ||
        replaced(field.name, forwarded.trusted)) {
      continue;
    }
    append_field(out, field.name, field.value);
  }
  append_field(out, "X-Forwarded-For", forwarded.for_);
  append_field(out, "X-Forwarded-Proto", forwarded.proto);
  if (!forwarded.host.empty()) append_field(out, "X-Forwarded-Host", forwarded.host);
  append_field(out, "X-Real-IP", forwarded.client);
  append_field(out, "X-Request-Id", request_id);
  out.append(forwarded.certificate_fields);
  if (purpose == Purpose::WebSocket) {
    out += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  } else {
    if (head.expect_continue) out += "Expect: 100-continue\r\n";
    append_framing(out, head.framing);
  }
  out += "\r\n";
}

void append_response_head(std::string& out, const ResponseHead& head, Framing framing,
                          ConnectionOption option, std::string_view hsts) {
  append_status_line(out, head);
  append_end_to_end(out, head.fields, hsts.empty() ? "" : "Strict-Transport-Security");
  out.append(hsts);
  // HEAD and 304 tell the length of a body that does not follow; 204 and 1xx have none to tell.
  if (framing.kind == Framing::Kind::None && head.content_length && head.status >= 200 &&
      head.status != 204) {
    framing = {Framing::Kind::Length, *head.content_length};
  }
  append_framing(out, framing);
  if (framing.kind == Framing::Kind::Chunked) append_trailer_names(out, head.fields);
  if (head.status == 426) append_wanted_protocol(out, head.fields);
  switch (option) {
    case ConnectionOption::Silent:
      break;
    case ConnectionOption::Close:
      out += "Connection: close\r\n";
      break;
    case ConnectionOption::KeepAlive:
      out += "Connection: keep-alive\r\n";
      break;
    case ConnectionOption::Upgrade:
      out += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
      break;
  }
  out += "\r\n";
}

void append_interim_head(std::string& out, const ResponseHead& head) {
  append_status_line(out, head);
  append_end_to_end(out, head.fields);
  out += "\r\n";
}

Framing client_framing(const ResponseHead& head, bool client_http10) {
  using Kind = Framing::Kind;
  if (head.framing.kind != Kind::Chunked && head.framing.kind != Kind::UntilClose) {
    return head.framing;
  }
  return {client_http10 ? Kind::UntilClose : Kind::Chunked, 0};
}

}  // namespace toyou::http
