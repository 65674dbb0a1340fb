#include "controller/translate/translate.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "controller/resources/metadata.hpp"
#include "controller/translate/translator.hpp"

namespace toyou::translate {

Translation translate(const store::ObjectStore& objects, const Options& options, WallTime now) {
  Translator translator(objects, options);
  translator.update({}, now);
  return std::move(translator).take();
}

Result<ServiceAddress> parse_service_address(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::size_t colon = text.rfind(':');
  if (slash == std::string_view::npos || slash == 0 || colon == std::string_view::npos ||
      colon <= slash + 1 || colon + 1 == text.size()) {
    return fail(ErrorKind::Invalid, "must be NAMESPACE/NAME:PORT");
  }
  ServiceAddress address;
  address.ns = text.substr(0, slash);
  address.service.name = text.substr(slash + 1, colon - slash - 1);
  if (!resources::is_dns_name(address.ns) || !resources::is_dns_name(address.service.name)) {
    return fail(ErrorKind::Invalid, "must be NAMESPACE/NAME:PORT, with names as Kubernetes has");
  }
  const std::string_view port = text.substr(colon + 1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error == std::errc() && end == port.data() + port.size()) {
    if (number < 1 || number > 65535) {
      return fail(ErrorKind::Invalid, "must have a port between 1 and 65535");
    }
    address.service.port.number = number;
  } else {
    address.service.port.name = port;
  }
  return address;
}

Result<SecretName> parse_secret_name(std::string_view text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  SecretName name{std::string(text.substr(0, slash)),
                  std::string(text.substr(std::min(slash + 1, text.size())))};
  if (!resources::is_dns_name(name.ns) || !resources::is_dns_name(name.name)) {
    return fail(ErrorKind::Invalid, "must be NAMESPACE/NAME, with names as Kubernetes has");
  }
  return name;
}

}  // namespace toyou::translate
