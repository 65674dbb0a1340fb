#include "controller/loop/condition_board.hpp"

#include <utility>

namespace toyou::loop {
namespace {

translate::Finding programmed(const resources::ObjectKey& key,
                              const translate::ObjectReport& object,
                              const publish::SnapshotPublisher& publisher) {
  translate::Finding finding;
  finding.type = translate::ConditionType::Programmed;
  finding.status = false;
  finding.reason = "Pending";
  if (!object.serves) {
    finding.message = "nothing of this object is served";
    return finding;
  }
  const publish::Verdict verdict = publisher.programmed({key.kind, key.ns, key.name});
  finding.status = verdict.state == publish::Programming::Programmed;
  if (finding.status) finding.reason = "Programmed";
  if (verdict.state == publish::Programming::Refused) finding.reason = "Refused";
  finding.message = verdict.message;
  return finding;
}

}  // namespace

void ConditionBoard::update(const translate::Report& translated,
                            const std::set<resources::ObjectKey>& touched,
                            publish::SnapshotPublisher& publisher) {
  const publish::Affected affected = publisher.take_affected();
  for (const resources::ObjectKey& key : touched) write(translated, key, publisher);
  if (affected.all) {
    for (const auto& [key, object] : translated) write(translated, key, publisher);
    return;
  }
  for (const auto& [kind, ns, name] : affected.sources) {
    write(translated, {kind, ns, name}, publisher);
  }
}

void ConditionBoard::write(const translate::Report& translated, const resources::ObjectKey& key,
                           const publish::SnapshotPublisher& publisher) {
  const auto found = translated.find(key);
  if (found == translated.end()) {
    if (report_.erase(key) > 0) dirty_.insert(key);
    return;
  }
  translate::ObjectReport object = found->second;
  if (key.kind != "IngressClass") object.findings.push_back(programmed(key, object, publisher));
  report_.insert_or_assign(key, std::move(object));
  dirty_.insert(key);
}

std::set<resources::ObjectKey> ConditionBoard::take_dirty() {
  return std::exchange(dirty_, {});
}

}  // namespace toyou::loop
