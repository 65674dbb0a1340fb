#include "dataplane/tls/client_auth.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "common/digest.hpp"
#include "common/limits.hpp"
#include "common/pem.hpp"

namespace toyou::tls {
namespace {

// OpenSSL's own level 1: no MD5 or SHA-1, RSA of 1,024 bits. Stricter is the authority's to be.
constexpr int kSecurityLevel = 1;

void configure(const ClientAuth& auth, X509_STORE_CTX* context) {
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_depth(param, auth.depth);
  X509_VERIFY_PARAM_set_auth_level(param, kSecurityLevel);
}

// A byte of a header field's value that stands for itself, between separators of ours.
bool is_plain(unsigned char c) {
  return c > ' ' && c < 0x7f && c != ',' && c != '\\' && c != '"';
}

void append_escaped(std::string& out, const unsigned char* bytes, std::size_t size) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (std::size_t i = 0; i < size; ++i) {
    if (is_plain(bytes[i])) {
      out += static_cast<char>(bytes[i]);
    } else {
      out += '\\';
      out += kHex[bytes[i] >> 4U];
      out += kHex[bytes[i] & 15U];
    }
  }
}

void append_name(std::string& out, std::string_view type, const ASN1_STRING* text) {
  if (!out.empty()) out += ", ";
  out.append(type);
  append_escaped(out, ASN1_STRING_get0_data(text),
                 static_cast<std::size_t>(ASN1_STRING_length(text)));
}

void append_address(std::string& out, const ASN1_OCTET_STRING* address) {
  const int size = ASN1_STRING_length(address);
  const int family = size == 4 ? AF_INET : AF_INET6;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if ((size != 4 && size != 16) ||
      ::inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size()) == nullptr) {
    return;
  }
  if (!out.empty()) out += ", ";
  out.append("IP:").append(text.data());
}

std::string names_of(const X509* leaf) {
  const std::unique_ptr<GENERAL_NAMES, FreeBy<GENERAL_NAMES_free>> all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  std::string names;
  for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    switch (name->type) {
      case GEN_DNS:
        append_name(names, "DNS:", name->d.dNSName);
        break;
      case GEN_EMAIL:
        append_name(names, "email:", name->d.rfc822Name);
        break;
      case GEN_URI:
        append_name(names, "URI:", name->d.uniformResourceIdentifier);
        break;
      case GEN_IPADD:
        append_address(names, name->d.iPAddress);
        break;
      default:
        break;
    }
  }
  return names;
}

std::string subject_of(const X509* leaf) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  // Escapes control characters and everything that is no ASCII.
  if (!out || X509_NAME_print_ex(out.get(), X509_get_subject_name(leaf), 0, XN_FLAG_RFC2253) < 0) {
    return {};
  }
  return text_of(out.get());
}

std::string fingerprint_of(X509* leaf) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(leaf, &der);
  if (size <= 0) return {};
  std::string digest =
      sha256_hex({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return digest;
}

}  // namespace

std::string ClientAuth::id() const {
  return authority->digest + (required ? " required " : " optional ") + std::to_string(depth);
}

std::optional<WallTime> ClientAuth::verify(X509* leaf, STACK_OF(X509) * others) const {
  const std::unique_ptr<X509_STORE_CTX, FreeBy<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
  std::optional<WallTime> until;
  if (context && X509_STORE_CTX_init(context.get(), authority->store.get(), leaf, others) == 1 &&
      X509_STORE_CTX_set_default(context.get(), "ssl_client") == 1) {
    configure(*this, context.get());
    if (X509_verify_cert(context.get()) == 1) {
      until = end_of(X509_STORE_CTX_get0_chain(context.get()));
    }
  }
  ERR_clear_error();
  return until;
}

int ClientAuth::verify(X509_STORE_CTX* handshake) const {
  configure(*this, handshake);
  return X509_verify_cert(handshake) == 1 ? 1 : 0;
}

WallTime end_of(const STACK_OF(X509) * chain) {
  WallTime end = WallTime::max();
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    end = std::min(end, wall_time_of(X509_get0_notAfter(sk_X509_value(chain, i))));
  }
  return end;
}

ClientFacts facts_of(X509* leaf) {
  ClientFacts facts{subject_of(leaf), names_of(leaf), fingerprint_of(leaf)};
  // Cut off, they could be taken for those of somebody else.
  if (facts.subject.size() > limits::kClientFactBytes) facts.subject.clear();
  if (facts.names.size() > limits::kClientFactBytes) facts.names.clear();
  ERR_clear_error();
  return facts;
}

bool ClientIdentity::satisfies(const ClientAuth& wanted, WallTime now) {
  if (leaf && now > not_after) return false;
  if (wanted == auth) return true;
  const std::optional<WallTime> until =
      leaf ? wanted.verify(leaf.get(), others.get())
           : (wanted.required ? std::nullopt : std::optional(WallTime::max()));
  if (!until) return false;
  auth = wanted;
  not_after = *until;
  return true;
}

}  // namespace toyou::tls
