#include "controller/source/shared_kind.hpp"

#include <utility>

namespace toyou::source {
namespace {

std::string text(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

resources::ObjectKey key_of(const nlohmann::json& object) {
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return {text(object, "kind"), "", ""};
  return {text(object, "kind"), text(*metadata, "namespace"), text(*metadata, "name")};
}

}  // namespace

class SharedKind::Part final : public Sink {
 public:
  explicit Part(SharedKind& all) : all_(all) {}

  void upsert(nlohmann::json object, std::string origin) override {
    const std::scoped_lock lock(all_.mutex_);
    all_.seen_by_[key_of(object)] = this;
    all_.sink_.upsert(std::move(object), std::move(origin));
  }
  void remove(resources::ObjectKey key) override {
    const std::scoped_lock lock(all_.mutex_);
    const auto seen = all_.seen_by_.find(key);
    if (seen == all_.seen_by_.end() || seen->second != this) return;
    all_.seen_by_.erase(seen);
    all_.sink_.remove(std::move(key));
  }
  // Those are for the source as a whole to say.
  void synced() override {}
  void problems(std::vector<InputProblem> /*problems*/) override {}

 private:
  SharedKind& all_;
};

std::unique_ptr<Sink> SharedKind::part() {
  return std::make_unique<Part>(*this);
}

}  // namespace toyou::source
