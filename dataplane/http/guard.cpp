#include "dataplane/http/guard.hpp"

namespace toyou::http {

bool Guard::arm(Millis limit) {
  if (why_ == Interruption::Timeout) why_ = Interruption::None;
  if (why_ != Interruption::None) return false;
  set_deadline(limit);
  return true;
}

void Guard::disarm() {
  target_ = nullptr;
  deadline_ = SteadyTime::max();
}

void Guard::extend(Millis limit) {
  if (target_ != nullptr) set_deadline(limit);
}

void Guard::set_deadline(Millis limit) {
  deadline_ = limit.count() > 0 ? loop().now() + limit : SteadyTime::max();
  if (deadline_ >= expiry_) return;
  expiry_ = deadline_;
  Timer::arm(limit);
}

void Guard::on_timer() {
  expiry_ = SteadyTime::max();
  if (deadline_ == SteadyTime::max()) return;
  if (loop().now() >= deadline_) {
    interrupt(Interruption::Timeout);
    return;
  }
  expiry_ = deadline_;
  Timer::arm(std::chrono::ceil<Millis>(deadline_ - loop().now()));
}

void Guard::interrupt(Interruption why) {
  if (why_ == Interruption::None || why_ == Interruption::Timeout) why_ = why;
  if (target_ != nullptr) target_->wake();
}

void Guard::reset() {
  disarm();
  why_ = Interruption::None;
}

}  // namespace toyou::http
