// Request heads, as browsers and tools send them.
#include <benchmark/benchmark.h>

#include <string>

#include "dataplane/http/request_head.hpp"

namespace toyou::http {
namespace {

const std::string kGet = "GET /bytes/100 HTTP/1.1\r\nHost: bench.test\r\nAccept: */*\r\n\r\n";
const std::string kUpgrade =
    "GET /chat?room=17 HTTP/1.1\r\nHost: chat.example.com\r\nConnection: Upgrade\r\n"
    "Pragma: no-cache\r\nCache-Control: no-cache\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0.0.0\r\n"
    "Upgrade: websocket\r\nOrigin: https://chat.example.com\r\nSec-WebSocket-Version: 13\r\n"
    "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

void request_head(benchmark::State& state, const std::string& bytes) {
  RequestHead head;
  for (auto _ : state) {
    if (parse_request_head(bytes, head)) {
      state.SkipWithError("refused");
      break;
    }
    benchmark::DoNotOptimize(head);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}
BENCHMARK_CAPTURE(request_head, get, kGet);
BENCHMARK_CAPTURE(request_head, upgrade, kUpgrade);

}  // namespace
}  // namespace toyou::http
