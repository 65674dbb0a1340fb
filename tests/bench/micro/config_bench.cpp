// Routing, and what a new configuration costs, by the number of routes.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/snapshot_store.hpp"
#include "dataplane/config/tables.hpp"
#include "dataplane/tls/certificate_table.hpp"
#include "tests/support/certificate_maker.hpp"
#include "tests/support/snapshot_builders.hpp"
#include "tests/support/temp_dir.hpp"

namespace toyou::config {
namespace {

// Ten paths to a host.
snapshot::Snapshot world(std::int64_t routes) {
  snapshot::Snapshot snapshot;
  test::put(snapshot, test::upstream("web", {{"127.0.0.1", 80}}));
  for (std::int64_t i = 0; i < routes; ++i) {
    const std::string host = "h" + std::to_string(i / 10) + ".example.com";
    snapshot::Route route =
        test::ingress_route("r" + std::to_string(i), host, "/p" + std::to_string(i % 10));
    test::put(snapshot, test::with_backends(std::move(route), {"upstream/default/web/80"}));
  }
  return snapshot;
}

TablesPtr tables_of(snapshot::Snapshot snapshot) {
  snapshot::Update update;
  update.manifest.generation = 1;
  update.changed = std::move(snapshot);
  return Tables::build(update, nullptr);
}

void router(benchmark::State& state) {
  const TablesPtr tables = tables_of(world(state.range(0)));
  std::vector<std::string> hosts;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(state.range(0) / 10, 1'000); ++i) {
    hosts.push_back("h" + std::to_string(i * 7 % (state.range(0) / 10)) + ".example.com");
  }
  std::size_t at = 0;
  for (auto _ : state) {
    const Match match = tables->find(hosts[at], "/p3/and/more", snapshot::Protocol::WebSocket);
    if (match.kind != Match::Kind::Route) {
      state.SkipWithError("no route");
      break;
    }
    at = at + 1 == hosts.size() ? 0 : at + 1;
  }
}
BENCHMARK(router)->Arg(10)->Arg(1'000)->Arg(100'000);

// From files to tables that serve.
void snapshot_load(benchmark::State& state) {
  const test::TempDir folder;
  auto writer = snapshot::Writer::open(folder.path());
  if (!writer || !writer->publish(world(state.range(0)))) return state.SkipWithError("not written");
  for (auto _ : state) {
    snapshot::Reader reader(folder.path());
    const auto read = reader.read();
    if (!read || !*read) {
      state.SkipWithError("not read");
      break;
    }
    benchmark::DoNotOptimize(Tables::build(**read, nullptr));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(snapshot_load)->Arg(10)->Arg(5'000)->Unit(benchmark::kMillisecond);

// One route changes among range(0): publish, read, tables.
void one_change(benchmark::State& state) {
  const test::TempDir folder;
  snapshot::Snapshot snapshot = world(state.range(0));
  auto writer = snapshot::Writer::open(folder.path());
  if (!writer || !writer->publish(snapshot)) return state.SkipWithError("not written");
  snapshot::Reader reader(folder.path());
  TablesPtr tables;
  const auto load = [&] {
    const auto read = reader.read();
    if (!read || !*read || !reader.accept(**read)) return state.SkipWithError("not read");
    tables = Tables::build(**read, tables);
  };
  load();
  int version = 0;
  for (auto _ : state) {
    snapshot::Route route =
        test::ingress_route("r3", "h0.example.com", "/v" + std::to_string(++version));
    const std::string key = test::key_of(route);
    test::put(snapshot, test::with_backends(std::move(route), {"upstream/default/web/80"}));
    if (!writer->publish(snapshot, {key})) return state.SkipWithError("not written");
    load();
  }
}
BENCHMARK(one_change)
    ->Arg(10)
    ->Arg(100)
    ->Arg(1'000)
    ->Arg(10'000)
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(200);

void certificate_of_a_name(benchmark::State& state) {
  snapshot::Update update;
  const test::MadeCertificate made = test::make_certificate({.dns = {"bench.test"}});
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    const std::string number = std::to_string(i);
    snapshot::Certificate certificate = test::certificate("s" + number, {"*.h" + number + ".test"});
    certificate.chain_pem = made.chain;
    certificate.key_pem = Redacted(made.key);
    test::put(update.changed, std::move(certificate));
  }
  const auto table = tls::CertificateTable::build(update, nullptr);
  if (!table) return state.SkipWithError("refused");
  const std::string name = "www.h" + std::to_string(state.range(0) / 2) + ".test";
  for (auto _ : state) benchmark::DoNotOptimize((*table)->find(name));
}
BENCHMARK(certificate_of_a_name)->Arg(10)->Arg(1'000);

}  // namespace
}  // namespace toyou::config
