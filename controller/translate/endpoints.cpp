#include "controller/translate/endpoints.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "common/limits.hpp"
#include "controller/translate/app_protocol.hpp"

namespace toyou::translate {
namespace {

using resources::AddressFamily;
using snapshot::EndpointState;

// One spelling per address: two spellings would count twice. nullopt: not an address of `family`.
std::optional<std::string> canonical_address(const std::string& text, AddressFamily family) {
  const int af = family == AddressFamily::IPv6 ? AF_INET6 : AF_INET;
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  if (::inet_pton(af, text.c_str(), bytes.data()) != 1) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> spelled{};
  if (::inet_ntop(af, bytes.data(), spelled.data(), spelled.size()) == nullptr) {
    return std::nullopt;
  }
  return std::string(spelled.data());
}

std::optional<EndpointState> state_of(const resources::SliceEndpoint& endpoint) {
  if (endpoint.ready) return EndpointState::Ready;
  if (endpoint.serving && endpoint.terminating) return EndpointState::Terminating;
  return std::nullopt;
}

// The slice's port of that name. Its number is its own (B3).
const resources::SlicePort* port_of(const resources::EndpointSlice& slice,
                                    const resources::ServicePort& port) {
  for (const resources::SlicePort& candidate : slice.ports) {
    if (candidate.name == port.name && candidate.protocol == "TCP" && candidate.port &&
        *candidate.port >= 1 && *candidate.port <= 65535) {
      return &candidate;
    }
  }
  return nullptr;
}

using States = std::map<std::pair<std::string, std::uint16_t>, EndpointState>;

void add_slice(const resources::EndpointSlice& slice, const resources::SlicePort& port,
               States& states) {
  for (const resources::SliceEndpoint& endpoint : slice.endpoints) {
    const auto state = state_of(endpoint);
    const auto address = canonical_address(endpoint.address, slice.family);
    if (!state || !address) continue;
    const auto [at, added] =
        states.try_emplace({*address, static_cast<std::uint16_t>(*port.port)}, *state);
    // In two slices for a moment, while it moves: ready in one is ready.
    if (!added && *state == EndpointState::Ready) at->second = EndpointState::Ready;
  }
}

// Those that terminate give way first: where one is ready they get no request anyway (B5).
void make_room(States& states) {
  if (states.size() <= limits::kEndpointsPerUpstream) return;
  const auto terminates = [](const auto& entry) {
    return entry.second == EndpointState::Terminating;
  };
  if (!std::all_of(states.begin(), states.end(), terminates)) std::erase_if(states, terminates);
}

// A slice of the family that counts, and its port.
struct Part {
  const resources::EndpointSlice* slice;
  const resources::SlicePort* port;
  Speech speech;  // the Service's word, else its own (B12)
};

std::vector<Part> parts_of(const std::vector<const resources::EndpointSlice*>& slices,
                           const resources::ServicePort& port, AddressFamily family) {
  std::vector<Part> parts;
  for (const resources::EndpointSlice* slice : slices) {
    if (slice->family != family) continue;
    const resources::SlicePort* own = port_of(*slice, port);
    if (own == nullptr) continue;
    const std::string& spoken = port.app_protocol.empty() ? own->app_protocol : port.app_protocol;
    parts.push_back({slice, own, speech_of(spoken)});
  }
  return parts;
}

}  // namespace

Endpoints collect_endpoints(const resources::Service& service, const resources::ServicePort& port,
                            const std::vector<const resources::EndpointSlice*>& slices) {
  const AddressFamily first = service.first_family;
  const AddressFamily second =
      first == AddressFamily::IPv6 ? AddressFamily::IPv4 : AddressFamily::IPv6;
  Endpoints endpoints;
  endpoints.secure = speech_of(port.app_protocol) == Speech::Secure;
  std::set<std::string> app_protocols;
  States states;
  for (const AddressFamily family : {first, second}) {
    if (!states.empty()) break;  // B9: the other family only where the first has none
    const std::vector<Part> parts = parts_of(slices, port, family);
    const bool secure = std::any_of(parts.begin(), parts.end(),
                                    [](const Part& part) { return part.speech == Speech::Secure; });
    for (const Part& part : parts) {
      app_protocols.insert(part.port->app_protocol);
      if (part.speech == Speech::Unspoken) continue;
      if (secure && part.speech != Speech::Secure) {
        endpoints.disagree = true;
      } else {
        add_slice(*part.slice, *part.port, states);
      }
    }
    endpoints.secure |= secure;
  }
  endpoints.app_protocols.assign(app_protocols.begin(), app_protocols.end());
  make_room(states);
  for (const auto& [at, state] : states) {
    if (endpoints.usable.size() == limits::kEndpointsPerUpstream) {
      endpoints.left_out = states.size() - endpoints.usable.size();
      break;
    }
    endpoints.usable.push_back({at.first, at.second, state});
  }
  return endpoints;
}

}  // namespace toyou::translate
