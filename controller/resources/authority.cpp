#include "controller/resources/authority.hpp"

#include <openssl/pem.h>

#include <algorithm>
#include <utility>

#include "common/limits.hpp"
#include "common/pem.hpp"
#include "controller/resources/certificate.hpp"

namespace toyou::resources {
namespace {

tl::unexpected<Error> wrong(const std::string& why) {
  return fail(ErrorKind::Invalid, std::string(kAuthorities) + " " + why);
}

}  // namespace

bool may_be_authority(const Secret& secret) {
  return secret.type == kTlsSecretType || secret.authority;
}

Result<Authority> read_authority(const Secret& secret) {
  const auto found = secret.data.find(kAuthorities);
  if (found == secret.data.end() || found->second.empty()) return wrong("is missing");
  const std::string& pem = found->second.reveal();
  const std::string too_long = "is over " + std::to_string(limits::kAuthorityBytes >> 10U) + " KiB";
  if (pem.size() > limits::kAuthorityBytes) return wrong(too_long);
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
  if (authority.certificates_pem.size() > limits::kAuthorityBytes) return wrong(too_long);
  return authority;
}

}  // namespace toyou::resources
