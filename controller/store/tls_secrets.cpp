#include "controller/store/tls_secrets.hpp"

#include <memory>

namespace toyou::store {
namespace {

constexpr std::size_t kShownTypeBytes = 80;

bool is_tls(const resources::Secret& secret) {
  return secret.type == resources::kTlsSecretType;
}

bool is_ticket_keys(const resources::Secret& secret) {
  return secret.type == resources::kTicketKeysType;
}

std::string wrong_type(const resources::Secret& secret, std::string_view wanted) {
  const bool brief = secret.type.size() <= kShownTypeBytes;
  return (brief ? "its type is " + secret.type : std::string("its type is something long")) +
         ", not " + std::string(wanted);
}

std::string not_tls(const resources::Secret& secret) {
  return wrong_type(secret, resources::kTlsSecretType);
}

std::string not_ticket_keys(const resources::Secret& secret) {
  return wrong_type(secret, resources::kTicketKeysType);
}

std::string not_marked(const resources::Secret&) {
  return "it is neither of type " + std::string(resources::kTlsSecretType) + " nor labelled " +
         std::string(resources::kAuthorityLabel) + "=true";
}

}  // namespace

TlsSecrets make_tls_secrets() {
  auto reader = std::make_shared<const resources::CertificateReader>();
  return {is_tls, not_tls,
          [reader](const resources::Secret& secret) { return reader->read(secret); }};
}

TicketKeySecrets make_ticket_key_secrets() {
  return {is_ticket_keys, not_ticket_keys, resources::read_ticket_keys};
}

AuthoritySecrets make_authority_secrets() {
  return {resources::may_be_authority, not_marked, resources::read_authority};
}

}  // namespace toyou::store
