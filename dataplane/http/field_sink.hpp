// What request and response heads have in common as receivers of Beast's parser: it does the
// tokens, they keep the fields and decide on everything that Beast lets pass.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "common/asio.hpp"
#include "common/limits.hpp"
#include "dataplane/http/body.hpp"
#include "dataplane/http/fields.hpp"

namespace toyou::http {

namespace beast = boost::beast;

inline std::string_view view_of(beast::string_view text) {
  return {text.data(), text.size()};
}

template <bool kIsRequest>
class FieldSink : public beast::http::basic_parser<kIsRequest> {
 public:
  FieldSink(std::string_view bytes, Fields& fields) : bytes_(bytes), fields_(fields) {
    this->header_limit(std::numeric_limits<std::uint32_t>::max());  // HeadScanner has limited it
    this->body_limit(std::numeric_limits<std::uint64_t>::max());
    fields_.clear();
  }

  // False: Beast, or the sink, refuses the head.
  [[nodiscard]] bool parse() {
    error_code ec;
    const std::size_t used = this->put(asio::const_buffer(bytes_.data(), bytes_.size()), ec);
    return !ec && used == bytes_.size() && this->is_header_done();
  }
  [[nodiscard]] bool too_many_fields() const { return too_many_; }

 protected:
  void on_field_impl(beast::http::field id, beast::string_view name, beast::string_view value,
                     error_code& ec) override {
    if (fields_.size() == limits::kHeaderCount) {
      too_many_ = true;
      ec = beast::http::error::bad_field;
      return;
    }
    // A folded value has been joined elsewhere (obs-fold, RFC 9112 section 5.2).
    if (!value.empty() && !inside(value.data())) {
      ec = beast::http::error::bad_obs_fold;
      return;
    }
    fields_.add(id, view_of(name), view_of(value));
  }
  void on_request_impl(beast::http::verb, beast::string_view, beast::string_view, int,
                       error_code&) override {}
  void on_response_impl(int, beast::string_view, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(beast::string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view, error_code&) override {
    return 0;
  }
  void on_finish_impl(error_code&) override {}

 private:
  [[nodiscard]] bool inside(const char* at) const {
    return at >= bytes_.data() && at < bytes_.data() + bytes_.size();
  }

  std::string_view bytes_;
  Fields& fields_;
  bool too_many_ = false;
};

}  // namespace toyou::http
