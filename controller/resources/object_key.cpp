#include "controller/resources/object_key.hpp"

namespace toyou::resources {

std::string to_string(const ObjectKey& key) {
  std::string text = key.kind + " ";
  if (!key.ns.empty()) text += key.ns + "/";
  return text + key.name;
}

}  // namespace toyou::resources
