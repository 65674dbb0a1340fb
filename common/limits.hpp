// Every bound of both processes in one place, each with its unit and the reason for its value.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace toyou::limits {

using namespace std::chrono_literals;

// --- snapshot directory -----------------------------------------------------------------
inline constexpr std::size_t kSnapshotObjectBytes = 1U << 20;    // one object; a Secret's own limit
inline constexpr std::size_t kSnapshotManifestBytes = 1U << 20;  // 256 pages need 20 KiB
inline constexpr std::size_t kSnapshotPageBytes = 8U << 20;      // 64,000 keys in one page
inline constexpr std::size_t kSnapshotKeys = 1'000'000;
inline constexpr std::size_t kSnapshotKeyBytes =
    1024;                                              // four Kubernetes names of 253 and their '/'
inline constexpr std::size_t kSnapshotProblems = 100;  // as many reasons are read; the rest is cut
inline constexpr int kJsonDepth = 64;  // nlohmann's dump() recurses; Kubernetes objects need 20

// --- manifests of a directory source ------------------------------------------------------
inline constexpr std::size_t kManifestFileBytes = 16U << 20;
inline constexpr std::size_t kYamlNodesPerFile = 2'000'000;  // some 100 bytes of memory each
inline constexpr std::size_t kYamlAliasNodes = 100'000;      // what aliases of one file expand to

// --- routes -------------------------------------------------------------------------------
inline constexpr std::size_t kHostBytes = 253;  // RFC 1035 section 2.3.4, without the dot
inline constexpr std::size_t kHostHeaderBytes = 255;
inline constexpr std::size_t kRoutePathBytes = 4096;
inline constexpr std::size_t kBackendsPerRoute = 16;
inline constexpr std::uint32_t kMaxWeight = 1'000'000;
inline constexpr std::size_t kOriginsPerRoute = 256;
inline constexpr std::size_t kOriginBytes = 300;             // scheme, host, port
inline constexpr std::size_t kAddressRangesPerList = 1'000;  // as in the CRD
// Of one object: entries of its lists of origins and addresses, times its matches of host and path,
// each of which is a route that holds them.
inline constexpr std::size_t kListEntriesPerObject = 250'000;
inline constexpr std::size_t kEndpointsPerUpstream = 10'000;  // 60 bytes each: below one object
inline constexpr std::size_t kHostsPerCertificate = 10'000;   // 100 bytes each: below one object
inline constexpr std::size_t kCertificateChainBytes = 256U << 10;  // usual chains take 10 KiB
inline constexpr std::size_t kIssuersPerChain = 16;                // usual chains have 1 to 3
inline constexpr std::size_t kCertificateKeyBytes = 64U << 10;     // RSA of 16,384 bits: 13 KiB
inline constexpr std::size_t kAuthorityBytes = 512U << 10;  // all that a browser trusts: 230 KiB
inline constexpr std::size_t kCertificatesPerAuthority = 1'000;
inline constexpr std::size_t kCertificatesPerHost = 2;       // one RSA, one ECDSA or Ed25519
inline constexpr std::size_t kRevocationBytes = 256U << 10;  // some 6,000 revoked certificates
inline constexpr std::size_t kRevocationLists = 64;
inline constexpr int kMostCertificateDepth = 10;
inline constexpr std::size_t kClientFactBytes = 4U << 10;  // of a client's certificate, in a field
inline constexpr std::chrono::milliseconds kMaxDuration = std::chrono::hours(24 * 365 * 10);

// --- request head ---------------------------------------------------------------------------
inline constexpr std::size_t kHeadBytes = 32U << 10;  // as large as common proxies accept; cookies
inline constexpr std::size_t kHeaderCount = 100;
inline constexpr std::size_t kTargetBytes = 16U << 10;
inline constexpr std::size_t kResponseHeadBytes = 64U << 10;
inline constexpr std::size_t kTrailerBytes = 8U << 10;
inline constexpr std::size_t kProxyHeaderBytes = 4U << 10;  // PROXY protocol; usual ones: 200
inline constexpr std::chrono::milliseconds kHeadTimeout = 10s;
inline constexpr std::chrono::milliseconds kKeepAliveTimeout = 75s;  // between two requests

// --- TLS handshakes ----------------------------------------------------------------------------
inline constexpr std::size_t kTlsHandshakesAtOnce = 2'048;          // of a worker: some 40 KiB each
inline constexpr std::chrono::milliseconds kTlsHandshakeSlow = 3s;  // may be ended for a newcomer

// --- HTTP exchanges ---------------------------------------------------------------------------
inline constexpr std::size_t kClientBufferBytes = 4U << 10;  // grows to kHeadBytes; idle: none
// Grows to kResponseHeadBytes; idle: none.
inline constexpr std::size_t kUpstreamBufferBytes = 16U << 10;
inline constexpr std::size_t kChunkLineBytes = 256;  // size and extensions; extensions are dropped
inline constexpr int kInterimResponses = 16;         // 1xx before one final answer
inline constexpr std::chrono::milliseconds kBodyTimeout = 60s;  // request body: no byte came
inline constexpr std::chrono::milliseconds kSendTimeout = 60s;  // a peer took no byte
inline constexpr std::chrono::milliseconds kEventEndTime = 3s;  // drain: for the event under way
inline constexpr std::chrono::milliseconds kLingerTime = 2s;    // for a client still sending
inline constexpr std::size_t kLingerBytes = 1U << 20;

// --- upstream connections ---------------------------------------------------------------------
inline constexpr std::size_t kUpstreamIdlePerEndpoint = 64;
inline constexpr std::size_t kUpstreamIdleTotal = 1024;
inline constexpr std::chrono::milliseconds kUpstreamIdleTime = 30s;
inline constexpr std::chrono::milliseconds kUnsafeReuseTime = 1s;  // for methods not repeatable
inline constexpr std::size_t kUpstreamSessions =
    1'024;                                           // of a worker, to be resumed: some KiB each
inline constexpr std::size_t kConnectAttempts = 16;  // refused: at once on the next endpoint
inline constexpr std::size_t kConnectTimeouts = 2;   // each takes the route's whole connect time

// --- relay ----------------------------------------------------------------------------------
// One read per turn: fairness, and copying.
inline constexpr std::size_t kRelayReadBytes = 64U << 10;
// Payloads of which so much is left go through a pipe instead of our memory.
inline constexpr std::size_t kSplicePayloadBytes = 64U << 10;
inline constexpr std::size_t kSplicePipeBytes = 256U << 10;  // what a direction may have in one
inline constexpr std::size_t kSplicePipes = 64;              // of a relay; without one: read
inline constexpr std::size_t kIdleSplicePipes = 4;
inline constexpr std::size_t kEarlyBytes = 64U << 10;  // bytes read past the 101 or the request

// --- controller -----------------------------------------------------------------------------
// A change is published that long after it came alone, after the last of a series, after the first.
inline constexpr std::chrono::milliseconds kPublishAlone = 1ms;
inline constexpr std::chrono::milliseconds kPublishSeries = 10ms;
inline constexpr std::chrono::milliseconds kPublishMax = 100ms;
inline constexpr int kListPageSize = 500;  // the API server's answers are held in memory whole

}  // namespace toyou::limits
