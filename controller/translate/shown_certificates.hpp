// Which Secret is shown for which SNI name, kept up to date name by name, and the other way round:
// the names of each Secret. Holds pointers to claims that its owner keeps: take them out before
// they change.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/resources/object_key.hpp"
#include "controller/translate/claims.hpp"
#include "controller/translate/host_index.hpp"
#include "controller/translate/resolve_name.hpp"

namespace toyou::translate {

class ShownCertificates {
 public:
  // What phase two decided about a host; nullptr: no rule names it.
  using HostAnswers = std::function<const HostAnswer*(const std::string& host)>;

  // `hosts`: all that rules name. `anyone_may_enter`: O4.
  ShownCertificates(const HostIndex& hosts, HostAnswers answers, bool anyone_may_enter)
      : hosts_(hosts), answer_of_(std::move(answers)), anyone_may_enter_(anyone_may_enter) {}

  void add(const Claims& claims);
  void remove(const Claims& claims);

  // The default certificate, as far as it can be shown. True: it is another one.
  bool set_default(std::optional<ServiceName> secret);
  [[nodiscard]] std::vector<std::string> names() const { return index_.hosts(); }

  // Decides again about these names, and about those below the wildcards among them.
  void decide(std::set<std::string> names);

  // Null: no object lists the name, and nothing is shown for it.
  [[nodiscard]] const NameAnswer* find(const std::string& name) const;
  // T2: some certificate is shown for the host of a rule; "*": to a client of any name.
  [[nodiscard]] bool serves(const std::string& host) const;
  // The names for which a Secret is shown. Never empty; nullptr: none.
  [[nodiscard]] const std::set<std::string>* names_of(const ServiceName& secret) const;

  // Since the last call: Secrets whose names are others, objects about which something else may be
  // said.
  std::set<ServiceName> take_changed() { return std::exchange(changed_, {}); }
  std::set<resources::ObjectKey> take_touched() { return std::exchange(touched_, {}); }

 private:
  [[nodiscard]] NameAnswer resolve(const std::string& name) const;
  [[nodiscard]] std::string owner_of(const std::string& name) const;
  [[nodiscard]] std::set<ServiceName> shown_by(const NameAnswer& answer) const;
  // True: other Secrets than before.
  bool decide_one(const std::string& name);
  void touch(const std::string& name, const NameAnswer& before, const NameAnswer& after);

  const HostIndex& hosts_;
  const HostAnswers answer_of_;
  const bool anyone_may_enter_;
  HostIndex index_;  // of the names in spec.tls
  std::optional<ServiceName> default_;
  std::map<std::string, NameAnswer> answers_;           // by name
  std::map<std::string, std::set<ServiceName>> shown_;  // by name; never empty
  std::map<ServiceName, std::set<std::string>> names_;  // by Secret; never empty
  std::set<ServiceName> changed_;
  std::set<resources::ObjectKey> touched_;
};

}  // namespace toyou::translate
