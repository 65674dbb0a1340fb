#include "controller/resources/decode.hpp"
#include "controller/resources/metadata.hpp"

namespace toyou::resources {
namespace {

constexpr std::string_view kDefaultClassAnnotation = "ingressclass.kubernetes.io/is-default-class";

std::optional<IngressBackend> read_backend(const Field& field) {
  if (!field.present()) return std::nullopt;
  IngressBackend backend;
  if (const Field service = field.member("service"); service.present()) {
    const Field port = service.member("port");
    backend.service =
        ServiceRef{service.member("name").text().value_or(""),
                   {port.member("number").integer(), port.member("name").text().value_or("")}};
    // The API's own encoding of "not set".
    if (backend.service->port.number == 0) backend.service->port.number.reset();
  }
  if (const Field resource = field.member("resource"); resource.present()) {
    backend.resource = resource.member("kind").text().value_or("");
  }
  return backend;
}

IngressRule read_rule(const Field& field) {
  IngressRule rule;
  rule.host = field.member("host").text().value_or("");
  const Field http = field.member("http");
  rule.has_http = http.present();
  for (const Field& path : http.member("paths").elements()) {
    rule.paths.push_back({path.member("path").text().value_or(""),
                          path.member("pathType").text().value_or(""),
                          read_backend(path.member("backend")).value_or(IngressBackend{})});
  }
  return rule;
}

}  // namespace

Result<IngressClass> decode_ingress_class(const nlohmann::json& object) {
  FieldProblems problems;
  const Field root(object, "", problems);
  IngressClass ingress_class;
  ingress_class.meta = read_metadata(root, Scope::Cluster);
  const Field spec = root.member("spec");
  ingress_class.controller = spec.member("controller").text().value_or("");
  ingress_class.has_parameters = spec.member("parameters").present();
  ingress_class.is_default =
      root.member("metadata").member("annotations").member(kDefaultClassAnnotation).text() ==
      "true";
  return value_or_problem(std::move(ingress_class), problems);
}

Result<Ingress> decode_ingress(const nlohmann::json& object) {
  FieldProblems problems;
  const Field root(object, "", problems);
  Ingress ingress;
  ingress.meta = read_metadata(root, Scope::Namespace);
  const Field spec = root.member("spec");
  ingress.class_name = spec.member("ingressClassName").text();
  ingress.default_backend = read_backend(spec.member("defaultBackend"));
  for (const Field& rule : spec.member("rules").elements()) {
    ingress.rules.push_back(read_rule(rule));
  }
  for (const Field& entry : spec.member("tls").elements()) {
    ingress.tls.push_back(
        {entry.member("hosts").texts(), entry.member("secretName").text().value_or("")});
  }
  return value_or_problem(std::move(ingress), problems);
}

}  // namespace toyou::resources
