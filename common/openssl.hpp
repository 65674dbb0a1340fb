// OpenSSL's objects with an owner, and its errors in words. Any thread; the queue of errors is each
// thread's own.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace toyou {

template <auto Function>
struct FreeBy {
  template <class T>
  void operator()(T* object) const {
    Function(object);
  }
};
void free_chain(STACK_OF(X509) * chain);
void free_names(STACK_OF(X509_NAME) * names);
void free_revocations(STACK_OF(X509_CRL) * lists);

using SslPtr = std::unique_ptr<SSL, FreeBy<SSL_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, FreeBy<SSL_CTX_free>>;
using X509Ptr = std::unique_ptr<X509, FreeBy<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeBy<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, FreeBy<BIO_free>>;
using ChainPtr = std::unique_ptr<STACK_OF(X509), FreeBy<free_chain>>;
using StorePtr = std::unique_ptr<X509_STORE, FreeBy<X509_STORE_free>>;
using NamePtr = std::unique_ptr<X509_NAME, FreeBy<X509_NAME_free>>;
using NamesPtr = std::unique_ptr<STACK_OF(X509_NAME), FreeBy<free_names>>;
using RevocationPtr = std::unique_ptr<X509_CRL, FreeBy<X509_CRL_free>>;
using RevocationsPtr = std::unique_ptr<STACK_OF(X509_CRL), FreeBy<free_revocations>>;

// A view of `text` as a BIO, for as long as `text` lives.
BioPtr view_bio(const std::string& text);
// What was written to a BIO_s_mem().
std::string text_of(BIO* memory);

// The oldest error of this thread's queue in words ("key values mismatch"); empties the queue.
// Reasons are constants of the library: they quote no input.
std::string take_openssl_error(const char* otherwise = "OpenSSL gives no reason");

}  // namespace toyou
