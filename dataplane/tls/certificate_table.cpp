#include "dataplane/tls/certificate_table.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "common/digest.hpp"
#include "common/hostname.hpp"
#include "common/limits.hpp"

namespace toyou::tls {

class CertificateTable::Builder {
 public:
  explicit Builder(const CertificateTable& base)
      : base_(base), secrets_(base.secrets_), shown_(base.shown_) {}

  void remove(const std::string& key);
  void put(const std::string& key, const snapshot::Certificate& source);
  Built finish();

 private:
  [[nodiscard]] Result<CertificatePtr> certificate_of(const std::string& key,
                                                      const snapshot::Certificate& source,
                                                      const std::string& digest);
  Shown& own(const std::string& name);

  const CertificateTable& base_;
  config::ShardedMap<Secret>::Editor secrets_;
  config::ShardedMap<Shown>::Editor shown_;
  std::map<std::string, std::shared_ptr<Shown>> owned_;
  std::vector<snapshot::Problem> problems_;
  CertificateReader reader_;
};

// The names that a secret had, or has, are changed in copies of our own.
Shown& CertificateTable::Builder::own(const std::string& name) {
  std::shared_ptr<Shown>& shown = owned_[name];
  if (!shown) {
    const auto* before = base_.shown_.find(name);
    shown = before == nullptr ? std::make_shared<Shown>() : std::make_shared<Shown>(**before);
  }
  return *shown;
}

void CertificateTable::Builder::remove(const std::string& key) {
  const auto* old = base_.secrets_.find(key);
  if (old == nullptr) return;
  for (const std::string& name : (*old)->names) {
    std::erase_if(own(name).items, [&](const Shown::Item& item) { return item.key == key; });
  }
  secrets_.erase(key);
}

Result<CertificatePtr> CertificateTable::Builder::certificate_of(
    const std::string& key, const snapshot::Certificate& source, const std::string& digest) {
  const auto* old = base_.secrets_.find(key);
  if (old != nullptr && (*old)->digest == digest) return (*old)->certificate;
  return reader_.read(source.chain_pem, source.key_pem);
}

void CertificateTable::Builder::put(const std::string& key, const snapshot::Certificate& source) {
  std::string digest = sha256_hex(source.chain_pem + '\0' + source.key_pem.reveal());
  Result<CertificatePtr> certificate = certificate_of(key, source, digest);
  if (!certificate) {
    if (problems_.size() < limits::kSnapshotProblems) {
      problems_.push_back({key, certificate.error().context, certificate.error().message});
    }
    return;
  }
  std::vector<std::string> names = source.hosts;
  if (source.is_default) names.emplace_back();
  for (const std::string& name : names) own(name).items.push_back({key, *certificate});
  secrets_.put(key,
               std::make_shared<const Secret>(Secret{source.ns, source.secret, std::move(digest),
                                                     std::move(names), std::move(*certificate)}));
}

CertificateTable::Built CertificateTable::Builder::finish() {
  for (auto& [name, shown] : owned_) {
    std::vector<Shown::Item>& items = shown->items;
    std::sort(items.begin(), items.end(), [](const Shown::Item& a, const Shown::Item& b) {
      return std::pair(a.certificate->kind, a.key) < std::pair(b.certificate->kind, b.key);
    });
    const auto rival = std::adjacent_find(
        items.begin(), items.end(),
        [](const auto& a, const auto& b) { return a.certificate->kind == b.certificate->kind; });
    if (rival != items.end() && problems_.size() < limits::kSnapshotProblems) {
      problems_.push_back({std::next(rival)->key, name.empty() ? "/default" : "/hosts",
                           (name.empty() ? "the default" : "\"" + name + "\"") +
                               " has another certificate of this kind of key, " + rival->key});
    }
    if (items.empty()) {
      shown_.erase(name);
    } else {
      shown_.put(name, shown);
    }
  }
  if (!problems_.empty()) return tl::unexpected(std::move(problems_));
  auto table = std::make_shared<CertificateTable>();
  table->secrets_ = secrets_.finish();
  table->shown_ = shown_.finish();
  return table;
}

CertificateTablePtr CertificateTable::empty() {
  return std::make_shared<const CertificateTable>();
}

CertificateTable::Built CertificateTable::build(const snapshot::Update& update,
                                                const CertificateTablePtr& previous) {
  const auto is_ours = [](const std::string& key) { return key.starts_with("certificate/"); };
  const auto changed = [](const auto& item) {
    return std::holds_alternative<snapshot::Certificate>(item.second);
  };
  if (previous && std::none_of(update.removed.begin(), update.removed.end(), is_ours) &&
      std::none_of(update.changed.begin(), update.changed.end(), changed)) {
    return previous;
  }
  const CertificateTablePtr base = previous ? previous : empty();
  Builder builder(*base);
  for (const std::string& key : update.removed) builder.remove(key);
  for (const auto& [key, object] : update.changed) {
    if (std::holds_alternative<snapshot::Certificate>(object)) builder.remove(key);
  }
  for (const auto& [key, object] : update.changed) {
    const auto* source = std::get_if<snapshot::Certificate>(&object);
    if (source != nullptr) builder.put(key, *source);
  }
  return builder.finish();
}

const Shown* CertificateTable::find(std::string_view server_name) const {
  const auto get = [&](std::string_view name) -> const Shown* {
    const auto* found = shown_.find(name);
    return found == nullptr ? nullptr : found->get();
  };
  // A name that is none (H3) has no certificate of its own.
  const Result<std::string> host = normalise_request_host(server_name);
  if (host && !host->empty()) {
    if (const Shown* exact = get(*host)) return exact;
    if (const auto wildcard = wildcard_of(*host)) {
      if (const Shown* shown = get(*wildcard)) return shown;
    }
  }
  return get("");
}

void CertificateTable::for_each(const Visit& visit) const {
  secrets_.for_each([&](const std::string&, const Secret& secret) {
    visit(secret.ns, secret.name, *secret.certificate);
  });
}

}  // namespace toyou::tls
