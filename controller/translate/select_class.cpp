#include "controller/translate/select_class.hpp"

#include <cstdint>
#include <limits>

namespace toyou::translate {
namespace {

// An object without a time counts as the newest (M1).
std::int64_t created(const resources::IngressClass& ingress_class) {
  return ingress_class.meta.created_us.value_or(std::numeric_limits<std::int64_t>::max());
}

// The newest one that is marked default, whoever's it is; of two of one age the lowest name (C5).
const resources::IngressClass* default_class(const store::ObjectStore& objects) {
  const resources::IngressClass* chosen = nullptr;
  for (const auto& [key, candidate] : objects.ingress_classes()) {
    if (!candidate.is_default) continue;
    if (chosen == nullptr || created(candidate) > created(*chosen)) chosen = &candidate;
  }
  return chosen;
}

}  // namespace

ClassSelection::ClassSelection(const store::ObjectStore& objects, const Options& options)
    : legacy_class_(options.legacy_class) {
  for (const auto& [key, ingress_class] : objects.ingress_classes()) {
    if (ingress_class.controller == options.controller_name) ours_.insert(key.name);
  }
  if (!options.classes_known) ours_.insert(options.legacy_class);  // C10
  const resources::IngressClass* chosen = default_class(objects);
  unnamed_are_ours_ =
      options.watch_without_class || (chosen != nullptr && ours_.contains(chosen->meta.name));
  if (options.assume_default_class && objects.ingress_classes().empty()) {
    ours_.insert("toyou");  // C7
    unnamed_are_ours_ = true;
  }
  if (ours_.empty() && !unnamed_are_ours_) {
    problem_ = "no IngressClass has spec.controller \"" + options.controller_name +
               "\": nothing is served but what names the class \"" + legacy_class_ +
               "\" by annotation";
  }
}

bool ClassSelection::is_ours(const resources::Ingress& ingress) const {
  if (ingress.class_name) return ours_.contains(*ingress.class_name);
  const auto annotation =
      ingress.meta.annotations.find(std::string(resources::kLegacyClassAnnotation));
  if (annotation == ingress.meta.annotations.end()) return unnamed_are_ours_;
  const std::string& name = annotation->second;
  return !name.empty() && (name == legacy_class_ || ours_.contains(name));
}

bool ClassSelection::is_ours(const resources::WebSocketRoute& route) const {
  return route.class_name ? ours_.contains(*route.class_name) : unnamed_are_ours_;
}

}  // namespace toyou::translate
