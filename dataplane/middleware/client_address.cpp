// Who the client is. A peer that is no trusted proxy is the client itself, whatever it claims;
// behind a trusted proxy it is the rightmost address in X-Forwarded-For that is not a trusted
// proxy.
#include "dataplane/middleware/client_address.hpp"

#include "dataplane/middleware/middleware.hpp"

namespace toyou::middleware {
namespace {

// All lines of a list field, joined as one.
std::string joined(const http::Fields& fields, std::string_view name) {
  std::string all;
  for (const http::Field& field : fields) {
    if (!http::equal_ignoring_case(field.name, name) || field.value.empty()) continue;
    if (!all.empty()) all += ", ";
    all += field.value;
  }
  return all;
}

// An element of X-Forwarded-For without brackets and port, as some proxies write them.
std::string_view bare_address(std::string_view element) {
  if (element.starts_with('[')) return element.substr(1, element.find(']') - 1);
  const std::size_t colon = element.find(':');
  const bool v4_with_port = colon != std::string_view::npos && element.rfind(':') == colon;
  return v4_with_port ? element.substr(0, colon) : element;
}

bool is_address(std::string_view text) {
  error_code ec;
  asio::ip::make_address(std::string(text), ec);
  return !ec;
}

std::string first_value(const http::Fields& fields, std::string_view name) {
  const std::string all = joined(fields, name);
  return std::string(http::trim(std::string_view(all).substr(0, all.find(','))));
}

void take_from_proxy(const http::Exchange& x, http::Forwarded& forwarded) {
  const std::string chain = joined(x.head.fields, "X-Forwarded-For");
  forwarded.client = client_behind(chain, x.peer.address, x.worker.trusted_proxies);
  forwarded.for_ = chain.empty() ? x.peer.address : chain + ", " + x.peer.address;
  const std::string proto = first_value(x.head.fields, "X-Forwarded-Proto");
  if (proto == "https" || proto == "http") forwarded.proto = proto;
  const std::string host = first_value(x.head.fields, "X-Forwarded-Host");
  if (!host.empty()) forwarded.host = host;
}

}  // namespace

std::string client_behind(std::string_view chain, std::string_view peer,
                          const net::AddressSet& trusted) {
  std::string_view client = peer;
  while (trusted.contains(client)) {
    const std::size_t comma = chain.rfind(',');
    const std::string_view last =
        http::trim(comma == std::string_view::npos ? chain : chain.substr(comma + 1));
    const std::string_view address = bare_address(last);
    if (!is_address(address)) break;
    client = address;
    chain = comma == std::string_view::npos ? std::string_view() : chain.substr(0, comma);
  }
  return std::string(client);
}

Verdict client_address(http::Exchange& x) {
  http::Forwarded& forwarded = x.forwarded;
  forwarded.trusted = x.worker.trusted_proxies.contains(x.peer.address);
  forwarded.client = forwarded.for_ = x.peer.address;
  forwarded.proto = x.peer.tls || x.peer.tls_before ? "https" : "http";
  forwarded.host.assign(x.head.authority);
  if (forwarded.trusted) take_from_proxy(x, forwarded);
  return std::nullopt;
}

}  // namespace toyou::middleware
