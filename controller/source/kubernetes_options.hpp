// What the controller has to know to work against an API server. From the command line.
#pragma once

#include <string>
#include <vector>

namespace toyou::source {

struct KubernetesOptions {
  std::string kubeconfig;  // path; empty: the service account of the pod (in-cluster)

  bool secrets = true;  // certificates are read; false: Secrets are never asked for

  // The only ones whose objects are asked for. Nothing that belongs to no namespace is read then:
  // rights in these (and on the publish Service) are enough. Empty: the whole cluster.
  std::vector<std::string> namespaces;

  std::string controller_name = "toyou.dev/ingress-controller";  // C1; also our field manager

  // S1: what goes into status.loadBalancer.ingress and status.addresses. Both empty: nothing is
  // written. `publish_addresses` wins when both are set.
  std::vector<std::string> publish_addresses;  // IP addresses or host names
  std::string publish_service;                 // "namespace/name"

  // "namespace/name" of the Secret with the keys of session tickets, which the Lease's holder makes
  // and turns. Empty: there is none.
  std::string ticket_key_secret;

  // The Lease whose holder writes status.
  std::string
      lease_namespace;  // empty: namespace of the pod, else of the kubeconfig, else "default"
  std::string lease_name = "toyou-status";
  std::string snapshot_dir;  // where a dataplane that ends leaves its drain record; empty: nowhere
  std::string identity;      // empty: host name and a random suffix
};

}  // namespace toyou::source
