// The last steps: what is said about each object, and the upstreams that routes refer to.
#pragma once

#include <vector>

#include "common/snapshot.hpp"
#include "controller/resources/resources.hpp"
#include "controller/translate/claims.hpp"
#include "controller/translate/report.hpp"
#include "controller/translate/resolve_host.hpp"
#include "controller/translate/resolve_name.hpp"

namespace toyou::translate {

// `verdicts`: one for each host that the object names, in its order. `names`: one for each name in
// its spec.tls. Whether it is served over TLS is left to the caller.
ObjectReport report_of(const Claims& claims, const std::vector<const Verdict*>& verdicts,
                       const std::vector<const NameVerdict*>& names);

// C9: about a class of ours whose parameters nobody reads.
ObjectReport report_of(const resources::IngressClass& ingress_class);

}  // namespace toyou::translate
