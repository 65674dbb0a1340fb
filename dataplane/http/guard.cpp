#include "dataplane/http/guard.hpp"

namespace toyou::http {

// Outlives the guard as long as a timer handler is queued.
struct Guard::State {
  State(asio::io_context& io, Guard* g) : timer(io), guard(g) {}
  asio::steady_timer timer;
  Guard* guard;
  SteadyTime expiry = SteadyTime::max();  // of the timer; max: no wait is pending
  unsigned pending = 0;                   // handlers not yet run, cancelled ones included
};

Guard::Guard(asio::io_context& io) : state_(std::make_shared<State>(io, this)) {}

Guard::~Guard() {
  state_->guard = nullptr;
  if (state_->pending > 0) state_->timer.cancel();
}

bool Guard::arm(tcp::socket& socket, Millis limit) {
  if (why_ == Interruption::Timeout) why_ = Interruption::None;
  if (why_ != Interruption::None) return false;
  target_ = &socket;
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
  deadline_ = limit.count() > 0 ? std::chrono::steady_clock::now() + limit : SteadyTime::max();
  if (deadline_ >= state_->expiry) return;
  state_->expiry = deadline_;
  state_->timer.expires_at(deadline_);
  wait(state_);
}

void Guard::wait(const std::shared_ptr<State>& state) {
  ++state->pending;
  state->timer.async_wait([state](error_code ec) {
    --state->pending;
    if (ec || state->guard == nullptr || state->pending > 0) return;
    state->expiry = SteadyTime::max();
    state->guard->on_timer();
  });
}

void Guard::on_timer() {
  if (deadline_ == SteadyTime::max()) return;
  if (std::chrono::steady_clock::now() >= deadline_) {
    interrupt(Interruption::Timeout);
    return;
  }
  state_->expiry = deadline_;
  state_->timer.expires_at(deadline_);
  wait(state_);
}

void Guard::interrupt(Interruption why) {
  if (why_ == Interruption::None || why_ == Interruption::Timeout) why_ = why;
  if (target_ == nullptr) return;
  error_code ignored;
  target_->cancel(ignored);
}

void Guard::reset() {
  disarm();
  why_ = Interruption::None;
}

}  // namespace toyou::http
