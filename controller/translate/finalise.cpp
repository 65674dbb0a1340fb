#include "controller/translate/finalise.hpp"

#include <algorithm>
#include <utility>

namespace toyou::translate {
namespace {

Finding accepted() {
  return {ConditionType::Accepted, true, "Accepted", "at least one rule is served", {}};
}

// Accepted=False knows no UnreachablePath: where nothing else is left, the object is invalid.
std::string refusal_reason(const std::string& reason) {
  return reason == "UnreachablePath" ? "Invalid" : reason;
}

}  // namespace

ObjectReport report_of(const Claims& claims, const std::vector<const Verdict*>& verdicts,
                       const std::vector<const NameVerdict*>& names) {
  ObjectReport report;
  report.generation = claims.generation;
  report.serves = !claims.refused && std::any_of(verdicts.begin(), verdicts.end(),
                                                 [](const Verdict* v) { return v->accepted; });

  std::vector<Defect> defects = claims.defects;
  for (const Verdict* verdict : verdicts) {
    defects.insert(defects.end(), verdict->defects.begin(), verdict->defects.end());
  }
  for (const NameVerdict* verdict : names) {
    defects.insert(defects.end(), verdict->defects.begin(), verdict->defects.end());
  }
  defects.insert(defects.end(), claims.notes.begin(), claims.notes.end());

  std::vector<Finding>& findings = report.findings;
  if (report.serves) findings.push_back(accepted());
  for (Defect& defect : defects) {
    findings.push_back({report.serves ? ConditionType::PartiallyInvalid : ConditionType::Accepted,
                        report.serves,
                        report.serves ? std::move(defect.reason) : refusal_reason(defect.reason),
                        std::move(defect.message), std::move(defect.field)});
  }
  if (findings.empty()) {
    findings.push_back({ConditionType::Accepted, false, "Invalid", "nothing in it is served", {}});
  }
  for (const Verdict* verdict : verdicts) {
    findings.insert(findings.end(), verdict->findings.begin(), verdict->findings.end());
  }
  for (const NameVerdict* verdict : names) {
    findings.insert(findings.end(), verdict->findings.begin(), verdict->findings.end());
  }
  findings.insert(findings.end(), claims.findings.begin(), claims.findings.end());
  if (std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
        return finding.type == ConditionType::ResolvedRefs;
      })) {
    findings.push_back(
        {ConditionType::ResolvedRefs, true, "ResolvedRefs", "every reference resolves", {}});
  }
  return report;
}

ObjectReport report_of(const resources::IngressClass& ingress_class) {
  ObjectReport report;
  report.generation = ingress_class.meta.generation;
  report.findings = {
      {ConditionType::Accepted, true, "Accepted", "objects of this class are served", {}},
      {ConditionType::PartiallyInvalid, true, "InvalidParameters",
       "spec.parameters is not supported and has no effect", "spec.parameters"}};
  return report;
}

}  // namespace toyou::translate
