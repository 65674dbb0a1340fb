// The objects that routes name by their keys: put into the snapshot with the first route that names
// one, taken out with the last, and written anew when their Secret changes.
#include <string>
#include <utility>

#include "controller/translate/translator.hpp"

namespace toyou::translate {
namespace {

ServiceName secret_in(const std::string& key) {
  const std::size_t ns = key.find('/') + 1;
  const std::size_t name = key.find('/', ns) + 1;
  return {key.substr(ns, name - ns - 1), key.substr(name)};
}

}  // namespace

void Translator::add_references(const snapshot::Route& route) {
  snapshot::for_each_reference(route, [this](const std::string& key, const std::string&) {
    if (++referrers_[key] == 1) put(key, named_object(key));
  });
}

void Translator::drop_references(const snapshot::Route& route, Work& work) {
  snapshot::for_each_reference(route, [&](const std::string& key, const std::string&) {
    --referrers_.at(key);
    work.unused.insert(key);
  });
}

void Translator::erase_unused(const Work& work) {
  for (const std::string& key : work.unused) {
    const auto count = referrers_.find(key);
    if (count == referrers_.end() || count->second > 0) continue;
    referrers_.erase(count);
    erase(key);
  }
}

// A route names a Secret's object only while there is something to put there.
snapshot::Object Translator::named_object(const std::string& key) const {
  if (key.starts_with("upstream/")) return backends_.upstream(key);
  auto [ns, name] = secret_in(key);
  if (key.starts_with("authority/")) {
    const auto found = objects_.authority_secret(ns, name);
    TOYOU_ASSERT(found && found->value != nullptr);
    return snapshot::Authority{std::move(ns), std::move(name), found->value->certificates_pem,
                               found->value->revocations_pem};
  }
  const auto found = objects_.tls_secret(ns, name);
  TOYOU_ASSERT(found && found->value != nullptr);
  return snapshot::ClientCertificate{std::move(ns), std::move(name), found->value->chain_pem,
                                     found->value->key_pem};
}

// Routes that name it are what they were: only what is behind the key is another.
void Translator::refresh_secrets(const Work& work) {
  for (const auto& [ns, name] : work.secrets) {
    for (const std::string& key :
         {snapshot::authority_key(ns, name), snapshot::client_certificate_key(ns, name)}) {
      if (referrers_.contains(key)) put(key, named_object(key));
    }
  }
}

// No route names them: they are there as long as their Secret is.
void Translator::write_ticket_keys() {
  if (!ticket_keys_) return;
  const std::string key(snapshot::kTicketKeysKey);
  const auto found = objects_.ticket_key_secret(ticket_keys_->first, ticket_keys_->second);
  const auto before = translation_.snapshot.find(key);
  const bool known = before != translation_.snapshot.end();
  if (!found || found->value == nullptr) {
    if (known) erase(key);
  } else if (!known || before->second != snapshot::Object(*found->value)) {
    put(key, *found->value);
  }
}

}  // namespace toyou::translate
