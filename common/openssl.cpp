#include "common/openssl.hpp"

#include <openssl/err.h>

namespace toyou {

void free_chain(STACK_OF(X509) * chain) {
  sk_X509_pop_free(chain, X509_free);
}

void free_names(STACK_OF(X509_NAME) * names) {
  sk_X509_NAME_pop_free(names, X509_NAME_free);
}

void free_revocations(STACK_OF(X509_CRL) * lists) {
  sk_X509_CRL_pop_free(lists, X509_CRL_free);
}

BioPtr view_bio(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* memory) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(memory, &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

std::string take_openssl_error(const char* otherwise) {
  const char* reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return reason != nullptr ? reason : otherwise;
}

}  // namespace toyou
