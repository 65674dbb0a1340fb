#include "dataplane/http/response_head.hpp"

#include "dataplane/http/field_sink.hpp"

namespace toyou::http {
namespace {

class ResponseSink final : public FieldSink<false> {
 public:
  ResponseSink(std::string_view bytes, ResponseHead& head)
      : FieldSink<false>(bytes, head.fields), head_(head) {}

 private:
  void on_response_impl(int status, beast::string_view reason, int version, error_code&) override {
    head_.status = static_cast<unsigned>(status);
    head_.reason = view_of(reason);
    head_.http10 = version == 10;
  }

  ResponseHead& head_;
};

bool without_body(const ResponseHead& head, bool to_head) {
  return to_head || head.status < 200 || head.status == 204 || head.status == 304;
}

std::optional<std::string_view> find_framing(ResponseHead& head, bool to_head) {
  const std::size_t codings = head.fields.count(FieldId::transfer_encoding);
  head.framing = {};
  head.content_length.reset();
  if (const Field* length = head.fields.find(FieldId::content_length)) {
    head.content_length = parse_content_length(length->value);
    if (!head.content_length) return "Content-Length is not one number";
  }
  if (codings > 0) {
    if (head.content_length) return "Content-Length beside Transfer-Encoding";
    if (head.http10) return "Transfer-Encoding in HTTP/1.0";
    const auto coding = head.fields.single(FieldId::transfer_encoding);
    if (!coding || !equal_ignoring_case(*coding, "chunked")) return "unknown transfer coding";
  }
  if (without_body(head, to_head)) {
    // A body after such a head cannot be told from the next response.
    if (codings > 0 && !to_head) head.keep_alive = false;
    return std::nullopt;
  }
  if (codings > 0) {
    head.framing.kind = Framing::Kind::Chunked;
  } else if (head.content_length) {
    head.framing = {Framing::Kind::Length, *head.content_length};
  } else {
    head.framing.kind = Framing::Kind::UntilClose;
    head.keep_alive = false;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> parse_response_head(std::string_view bytes, bool to_head,
                                                    ResponseHead& head) {
  ResponseSink sink(bytes, head);
  if (!sink.parse()) return "the response head is malformed";
  if (head.status < 100 || head.status > 599) return "no such status";
  if (!head.fields.mark_hop_by_hop()) return "Connection names too many fields";
  const bool close = head.fields.has_token(FieldId::connection, "close");
  const bool keep = head.fields.has_token(FieldId::connection, "keep-alive");
  head.keep_alive = !close && (!head.http10 || keep);
  return find_framing(head, to_head);
}

}  // namespace toyou::http
