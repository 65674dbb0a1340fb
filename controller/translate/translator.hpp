// Translation that keeps its place: after a change it translates again only the objects that depend
// on what changed, and decides again only about the hosts that they name. What it holds after any
// sequence of updates equals translate() of the same objects, byte for byte.
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

  // `changed`: every key that was upserted or removed since the last call. The first call takes
  // everything that the store holds, whatever it is given.
  const Translation& update(const std::set<resources::ObjectKey>& changed);

  [[nodiscard]] const Translation& current() const { return translation_; }
  [[nodiscard]] const Touched& touched() const { return touched_; }  // by the last update
  Translation take() && { return std::move(translation_); }

 private:
  // What one update has to look at.
  struct Work {
    std::set<resources::ObjectKey> objects;  // to translate again
    std::set<std::string> hosts;             // to decide about again
    std::set<ServiceName> services;          // whose endpoints may differ
    std::set<std::string> unused;            // upstreams that lost a referrer
  };

  void note_changes(const std::set<resources::ObjectKey>& changed, Work& work);
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
  void put(const std::string& key, snapshot::Object object);
  void erase(const std::string& key);
  void refresh_upstreams(const Work& work);
  void write_reports();

  const store::ObjectStore& objects_;
  const Options options_;
  Backends backends_;
  std::optional<ClassSelection> classes_;

  std::map<resources::ObjectKey, Claims> claims_;  // of our objects
  HostIndex index_;
  std::map<ServiceName, std::set<resources::ObjectKey>> service_users_;
  std::map<ServiceName, std::set<resources::ObjectKey>> secret_users_;
  std::map<resources::ObjectKey, ServiceName> service_of_slice_;

  std::optional<LastResort> last_resort_;
  std::map<std::string, HostAnswer> answers_;                    // by host
  std::map<std::string, std::set<std::string>> hosts_of_owner_;  // namespace -> hosts
  std::map<std::string, std::size_t> referrers_;                 // upstream key -> backends
  Translation translation_;
  Touched touched_;
};

}  // namespace toyou::translate
