// Translation that keeps its place: after a change it translates again only the objects that depend
// on what changed, and decides again only about the hosts that they name. What it holds after any
// sequence of updates equals translate() of the same objects at the same time, byte for byte.
//
// Owned by the control loop, one thread. The store must outlive it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "controller/store/object_store.hpp"
#include "controller/translate/backends.hpp"
#include "controller/translate/claims.hpp"
#include "controller/translate/host_index.hpp"
#include "controller/translate/resolve_host.hpp"
#include "controller/translate/select_class.hpp"
#include "controller/translate/shown_certificates.hpp"
#include "controller/translate/translate.hpp"

namespace toyou::translate {

// What an update went through. Everything that it did not name is as it was before.
struct Touched {
  std::set<std::string> objects;  // keys of the snapshot
  std::set<resources::ObjectKey> reports;
};

class Translator {
 public:
  Translator(const store::ObjectStore& objects, Options options);
  Translator(const Translator&) = delete;  // parts of it point to others
  Translator& operator=(const Translator&) = delete;

  // `changed`: every key that was upserted or removed since the last call. The first call takes
  // everything that the store holds, whatever it is given. `now`: see translate().
  const Translation& update(const std::set<resources::ObjectKey>& changed, WallTime now);

  // Once it is past this time, an update without changes says something else: a certificate has
  // expired. nullopt: none will.
  [[nodiscard]] std::optional<WallTime> next_expiry() const;

  [[nodiscard]] const Translation& current() const { return translation_; }
  [[nodiscard]] const Touched& touched() const { return touched_; }  // by the last update
  Translation take() && { return std::move(translation_); }

 private:
  // What one update has to look at.
  struct Work {
    std::set<resources::ObjectKey> objects;  // to translate again
    std::set<std::string> hosts;             // to decide about again
    std::set<ServiceName> services;          // whose endpoints may differ
    std::set<std::string> unused;            // objects of the snapshot that lost a referrer
    std::set<std::string> names;             // SNI names to decide about again
    std::set<ServiceName> secrets;           // whose certificate may differ
  };

  void note_changes(const std::set<resources::ObjectKey>& changed, Work& work);
  void note_time(WallTime now, Work& work);
  void note_slice(const resources::ObjectKey& key, Work& work);
  void note_service(const ServiceName& service, Work& work);
  void select_classes(Work& work);
  void translate_objects(Work& work);
  [[nodiscard]] std::optional<Claims> translate_object(const resources::ObjectKey& key);
  void replace_claims(const resources::ObjectKey& key, std::optional<Claims> now, Work& work);
  void touch_hosts(const Claims& claims, Work& work) const;
  void find_last_resort(Work& work);
  void resolve_hosts(Work& work);
  void withdraw(const std::string& host, Work& work);
  void decide(const std::string& host);
  void add_references(const snapshot::Route& route);
  void drop_references(const snapshot::Route& route, Work& work);
  void erase_unused(const Work& work);
  [[nodiscard]] snapshot::Object named_object(const std::string& key) const;
  void refresh_secrets(const Work& work);
  void find_default_certificate(Work& work);
  void show_certificates(Work& work);
  void write_certificate(const ServiceName& secret);
  void write_warnings();
  void write_ticket_keys();
  void put(const std::string& key, snapshot::Object object);
  void erase(const std::string& key);
  void refresh_upstreams(const Work& work);
  void write_reports();
  [[nodiscard]] ObjectReport write_report(const Claims& claims) const;

  const store::ObjectStore& objects_;
  const Options options_;
  Backends backends_;
  std::optional<ClassSelection> classes_;

  std::map<resources::ObjectKey, Claims> claims_;  // of our objects
  HostIndex index_;
  ShownCertificates certificates_;
  std::set<std::pair<WallTime, resources::ObjectKey>> expiries_;  // of the certificates they name
  WallTime now_{};
  std::map<ServiceName, std::set<resources::ObjectKey>> service_users_;
  std::map<ServiceName, std::set<resources::ObjectKey>> secret_users_;
  std::map<resources::ObjectKey, ServiceName> service_of_slice_;

  std::optional<LastResort> last_resort_;
  std::optional<ServiceName> default_certificate_;  // as given, whether it can be shown or not
  std::optional<ServiceName> ticket_keys_;          // as given
  std::set<ServiceName> overfull_;                  // Secrets shown for more names than fit
  std::map<std::string, HostAnswer> answers_;       // by host
  std::map<std::string, std::set<std::string>> hosts_of_owner_;  // namespace -> hosts
  std::map<std::string, std::size_t> referrers_;  // keys that routes name -> how often
  Translation translation_;
  Touched touched_;
};

}  // namespace toyou::translate
