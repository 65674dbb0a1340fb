#include "dataplane/tls/peer_table.hpp"

#include <algorithm>
#include <utility>

#include "common/digest.hpp"
#include "common/limits.hpp"
#include "common/pem.hpp"

namespace toyou::tls {
namespace {

// A CertificateRequest has to fit into one handshake message; above this it names nobody, and
// clients may try any certificate.
constexpr std::size_t kMostNameBytes = 16U << 10;

bool is_ours(std::string_view key) {
  return key.starts_with("authority/") || key.starts_with("client-certificate/");
}

tl::unexpected<Error> at(const char* pointer, const Error& error) {
  return fail(error.kind, error.message, pointer);
}

// Null: out of memory.
NamesPtr names_of(const STACK_OF(X509) * certificates) {
  NamesPtr names(sk_X509_NAME_new_null());
  std::size_t bytes = 0;
  for (int i = 0; names && i < sk_X509_num(certificates); ++i) {
    NamePtr name(X509_NAME_dup(X509_get_subject_name(sk_X509_value(certificates, i))));
    if (!name || sk_X509_NAME_push(names.get(), name.get()) == 0) return nullptr;
    bytes += static_cast<std::size_t>(i2d_X509_NAME(name.release(), nullptr)) + 2;  // the stack's
  }
  if (bytes > kMostNameBytes) names.reset(sk_X509_NAME_new_null());
  return names;
}

Result<void> read_revocations(const std::string& pem, X509_STORE* store) {
  if (pem.empty()) return {};
  const Result<RevocationsPtr> lists = read_pem_revocations(pem);
  if (!lists) return tl::unexpected(lists.error());
  bool good = X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1;
  for (int i = 0; good && i < sk_X509_CRL_num(lists->get()); ++i) {
    good = X509_STORE_add_crl(store, sk_X509_CRL_value(lists->get(), i)) == 1;
  }
  if (!good) return fail(ErrorKind::Invalid, take_openssl_error());
  return {};
}

Result<AuthorityPtr> read(const snapshot::Authority& source) {
  const auto certificates =
      read_pem_certificates(source.certificates_pem, limits::kCertificatesPerAuthority);
  if (!certificates) return at("/certificates", certificates.error());
  auto authority = std::make_shared<Authority>();
  authority->store.reset(X509_STORE_new());
  X509_STORE* store = authority->store.get();
  bool good = store != nullptr && X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1;
  for (int i = 0; good && i < sk_X509_num(certificates->get()); ++i) {
    X509* certificate = sk_X509_value(certificates->get(), i);
    good = X509_STORE_add_cert(store, certificate) == 1;
    authority->not_after =
        std::min(authority->not_after, wall_time_of(X509_get0_notAfter(certificate)));
  }
  authority->names = names_of(certificates->get());
  if (!good || !authority->names) {
    return fail(ErrorKind::Invalid, take_openssl_error(), "/certificates");
  }
  if (auto read = read_revocations(source.revocations_pem, store); !read) {
    return at("/revocations", read.error());
  }
  authority->digest = sha256_hex(source.certificates_pem + '\0' + source.revocations_pem);
  return AuthorityPtr(std::move(authority));
}

}  // namespace

class PeerTable::Builder {
 public:
  explicit Builder(const PeerTable& base)
      : authorities_(base.authorities_), client_certificates_(base.client_certificates_) {}

  void remove(const std::string& key) {
    if (key.starts_with("authority/")) authorities_.erase(key);
    if (key.starts_with("client-certificate/")) client_certificates_.erase(key);
  }

  void put(const std::string& key, const snapshot::Authority& source) {
    auto authority = read(source);
    if (!authority) return note(key, authority.error());
    authorities_.put(key, std::move(*authority));
  }

  void put(const std::string& key, const snapshot::ClientCertificate& source) {
    auto certificate = reader_.read(source.chain_pem, source.key_pem);
    if (!certificate) return note(key, certificate.error());
    client_certificates_.put(
        key, std::make_shared<const ClientCertificate>(
                 ClientCertificate{std::move(*certificate),
                                   sha256_hex(source.chain_pem + '\0' + source.key_pem.reveal())}));
  }

  Built finish() {
    if (!problems_.empty()) return tl::unexpected(std::move(problems_));
    auto table = std::make_shared<PeerTable>();
    table->authorities_ = authorities_.finish();
    table->client_certificates_ = client_certificates_.finish();
    return PeerTablePtr(std::move(table));
  }

 private:
  void note(const std::string& key, const Error& error) {
    if (problems_.size() >= limits::kSnapshotProblems) return;
    problems_.push_back({key, error.context, error.message});
  }

  config::ShardedMap<Authority>::Editor authorities_;
  config::ShardedMap<ClientCertificate>::Editor client_certificates_;
  std::vector<snapshot::Problem> problems_;
  CertificateReader reader_;
};

PeerTablePtr PeerTable::empty() {
  return std::make_shared<const PeerTable>();
}

PeerTable::Built PeerTable::build(const snapshot::Update& update, const PeerTablePtr& previous) {
  const auto changed = [](const auto& item) { return is_ours(item.first); };
  if (previous && std::none_of(update.removed.begin(), update.removed.end(), is_ours) &&
      std::none_of(update.changed.begin(), update.changed.end(), changed)) {
    return previous;
  }
  const PeerTablePtr base = previous ? previous : empty();
  Builder builder(*base);
  for (const std::string& key : update.removed) builder.remove(key);
  for (const auto& [key, object] : update.changed) {
    if (const auto* authority = std::get_if<snapshot::Authority>(&object)) {
      builder.put(key, *authority);
    } else if (const auto* certificate = std::get_if<snapshot::ClientCertificate>(&object)) {
      builder.put(key, *certificate);
    }
  }
  return builder.finish();
}

void PeerTable::for_each(const VisitAuthority& authority,
                         const VisitCertificate& certificate) const {
  authorities_.for_each(authority);
  client_certificates_.for_each(certificate);
}

AuthorityPtr PeerTable::authority(std::string_view key) const {
  const auto* found = authorities_.find(key);
  return found == nullptr ? nullptr : *found;
}

ClientCertificatePtr PeerTable::client_certificate(std::string_view key) const {
  const auto* found = client_certificates_.find(key);
  return found == nullptr ? nullptr : *found;
}

}  // namespace toyou::tls
