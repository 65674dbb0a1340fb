#include "controller/resources/authority.hpp"

#include <openssl/pem.h>

#include <algorithm>
#include <utility>

#include "common/limits.hpp"
#include "common/pem.hpp"
#include "controller/resources/certificate.hpp"

namespace toyou::resources {
namespace {

tl::unexpected<Error> wrong(const std::string& why, const char* key = kAuthorities) {
  return fail(ErrorKind::Invalid, std::string(key) + " " + why);
}

std::string too_long(std::size_t limit) {
  return "is over " + std::to_string(limit >> 10U) + " KiB";
}

Result<void> read_revocations(const std::string& pem, Authority& to) {
  if (pem.size() > limits::kRevocationBytes) {
    return wrong(too_long(limits::kRevocationBytes), kRevocations);
  }
  const auto lists = read_pem_revocations(pem);
  if (!lists) return wrong(lists.error().message, kRevocations);
  const BioPtr out(BIO_new(BIO_s_mem()));
  for (int i = 0; i < sk_X509_CRL_num(lists->get()); ++i) {
    const X509_CRL* list = sk_X509_CRL_value(lists->get(), i);
    if (!out || PEM_write_bio_X509_CRL(out.get(), list) != 1) {
      return wrong("cannot be written as PEM (" + take_openssl_error() + ")", kRevocations);
    }
    if (const ASN1_TIME* until = X509_CRL_get0_nextUpdate(list)) {
      to.revocations_until = std::min(to.revocations_until, wall_time_of(until));
    }
  }
  to.revocations_pem = text_of(out.get());
  if (to.revocations_pem.size() > limits::kRevocationBytes) {
    return wrong(too_long(limits::kRevocationBytes), kRevocations);
  }
  return {};
}

}  // namespace

bool may_be_authority(const Secret& secret) {
  return secret.type == kTlsSecretType || secret.authority;
}

Result<Authority> read_authority(const Secret& secret) {
  const auto found = secret.data.find(kAuthorities);
  if (found == secret.data.end() || found->second.empty()) return wrong("is missing");
  const std::string& pem = found->second.reveal();
  if (pem.size() > limits::kAuthorityBytes) return wrong(too_long(limits::kAuthorityBytes));
  const auto certificates = read_pem_certificates(pem, limits::kCertificatesPerAuthority);
  if (!certificates) return wrong(certificates.error().message);

  Authority authority;
  // Written anew: what stands around the blocks (a key, say) stays behind.
  const BioPtr out(BIO_new(BIO_s_mem()));
  for (int i = 0; i < sk_X509_num(certificates->get()); ++i) {
    X509* certificate = sk_X509_value(certificates->get(), i);
    if (!out || PEM_write_bio_X509(out.get(), certificate) != 1) {
      return wrong("cannot be written as PEM (" + take_openssl_error() + ")");
    }
    authority.not_after =
        std::max(authority.not_after, wall_time_of(X509_get0_notAfter(certificate)));
  }
  authority.certificates_pem = text_of(out.get());
  if (authority.certificates_pem.size() > limits::kAuthorityBytes) {
    return wrong(too_long(limits::kAuthorityBytes));
  }
  const auto revocations = secret.data.find(kRevocations);
  if (revocations != secret.data.end()) {
    if (auto read = read_revocations(revocations->second.reveal(), authority); !read) {
      return tl::unexpected(read.error());
    }
  }
  return authority;
}

}  // namespace toyou::resources
