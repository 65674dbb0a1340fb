#include "controller/translate/resolve_host.hpp"

namespace toyou::translate {

HostAnswer resolve_host(const HostQuestion& question) {
  HostAnswer answer;
  for (const Claims* claims : question.claimants) answer.verdicts[claims->key];
  const Ownership ownership = decide_owner(question, answer);
  // Nobody there: the host is not named. The any-host level needs no name to have a default.
  if (ownership.accepted.empty() && question.host != kAnyHost) return answer;
  if (ownership.owner != nullptr) answer.owner_ns = ownership.owner->key.ns;
  settle_matches(question.host, ownership.accepted, answer);
  add_default(question, ownership, answer);
  if (question.host != kAnyHost) settle_client_auth(question.host, ownership, answer);
  return answer;
}

}  // namespace toyou::translate
