#include "common/snapshot_files.hpp"

#include <array>
#include <exception>

#include "common/digest.hpp"
#include "common/limits.hpp"
#include "common/strict_json.hpp"

namespace toyou::snapshot {
namespace {

constexpr std::array<std::string_view, 2> kLoadStates{"Loaded", "Refused"};

bool is_page_name(std::string_view name) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return name.size() == 2 && hex(name[0]) && hex(name[1]);
}

tl::unexpected<Error> first_of(const JsonFields::Problems& problems) {
  return fail(ErrorKind::Invalid, problems.front().message, problems.front().pointer);
}

void read_pages(JsonFields& manifest, std::map<std::string, std::string>& pages) {
  manifest.required("pages");
  const Json* json = manifest.object("pages");
  if (json == nullptr) return;
  for (const auto& [name, hash] : json->items()) {
    if (!is_page_name(name) || !hash.is_string() ||
        !is_sha256_hex(hash.get_ref<const std::string&>())) {
      return manifest.wrong("pages", "holds something else than \"00\"..\"ff\" with a SHA-256");
    }
    pages.emplace(name, hash.get_ref<const std::string&>());
  }
}

// Accepts one flat object of strings, and nothing else.
class PageSax {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  explicit PageSax(std::map<std::string, std::string>& entries) : entries_(entries) {}

  bool start_object(std::size_t) { return std::exchange(open_, true) ? refuse("is nested") : true; }
  bool end_object() { return true; }
  bool key(string_t& name) {
    if (name.size() > limits::kSnapshotKeyBytes) return refuse("holds a key over 1024 bytes");
    key_ = std::move(name);
    return true;
  }
  bool string(string_t& value) {
    if (!open_ || !is_sha256_hex(value)) return refuse("holds a value that is no SHA-256");
    if (!entries_.emplace(std::move(key_), std::move(value)).second) {
      return refuse("names a key twice");
    }
    return entries_.size() <= limits::kSnapshotKeys || refuse("holds too many keys");
  }
  bool null() { return refuse_value(); }
  bool boolean(bool) { return refuse_value(); }
  bool number_integer(number_integer_t) { return refuse_value(); }
  bool number_unsigned(number_unsigned_t) { return refuse_value(); }
  bool number_float(number_float_t, const string_t&) { return refuse_value(); }
  bool binary(binary_t&) { return refuse_value(); }
  bool start_array(std::size_t) { return refuse_value(); }
  bool end_array() { return refuse_value(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) {
    return refuse("is not JSON");
  }
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  bool refuse_value() { return refuse("holds something else than strings"); }
  bool refuse(const char* why) {
    why_ = why;
    return false;
  }
  std::map<std::string, std::string>& entries_;
  std::string key_;
  std::string why_;
  bool open_ = false;
};

void read_errors(JsonFields& report, std::vector<Problem>& errors) {
  const Json* list = report.array("errors", limits::kSnapshotProblems + 1);
  if (list == nullptr) return;
  for (std::size_t i = 0; i < list->size(); ++i) {
    JsonFields fields((*list)[i], "/errors/" + std::to_string(i), report.problems());
    errors.push_back({fields.string("key").value_or(""), fields.string("pointer").value_or(""),
                      fields.string("message").value_or("")});
  }
}

}  // namespace

std::string object_file(const std::string& sha256) {
  return "objects/" + sha256 + ".json";
}
std::string page_file(const std::string& sha256) {
  return "index/" + sha256 + ".json";
}
std::string page_of(std::string_view key) {
  return sha256_hex(key).substr(0, 2);
}

std::string encode_manifest(const Manifest& manifest) {
  Json json = Json::object();
  json["schema"] = {{"major", manifest.major}, {"minor", manifest.minor}};
  json["generation"] = manifest.generation;
  json["pages"] = Json(manifest.pages);
  if (manifest.pages.empty()) json["pages"] = Json::object();
  return dump_canonical(json);
}

Result<Manifest> decode_manifest(std::string_view json) {
  const Result<Json> parsed = parse_json(json);
  if (!parsed) return tl::unexpected(parsed.error());
  JsonFields::Problems problems;
  JsonFields fields(*parsed, "", problems);
  Manifest manifest;
  fields.required("schema");
  if (const Json* schema = fields.object("schema")) {
    JsonFields version(*schema, "/schema", problems);
    version.required("major");
    manifest.major = static_cast<int>(version.integer("major", 0, 1'000'000).value_or(0));
    manifest.minor = static_cast<int>(version.integer("minor", 0, 1'000'000).value_or(0));
  }
  fields.required("generation");
  manifest.generation =
      static_cast<std::uint64_t>(fields.integer("generation", 0, INT64_MAX).value_or(0));
  read_pages(fields, manifest.pages);
  if (!problems.empty()) return first_of(problems);
  return manifest;
}

Result<void> check_schema(const Manifest& manifest) {
  if (manifest.major == kSchemaMajor) return {};
  const std::string version = std::to_string(manifest.major) + "." + std::to_string(manifest.minor);
  const std::string ours = std::to_string(kSchemaMajor);
  if (manifest.major > kSchemaMajor) {
    return fail(ErrorKind::Unsupported,
                "is of schema " + version + ", newer than the " + ours +
                    ".x that this release reads: upgrade the dataplane before the controller",
                "/schema/major");
  }
  return fail(ErrorKind::Unsupported,
              "is of schema " + version + ", older than the " + ours +
                  ".x that this release reads: upgrade the controller",
              "/schema/major");
}

std::string encode_page(const std::map<std::string, std::string>& entries) {
  return dump_canonical(Json(entries));
}

Result<std::map<std::string, std::string>> decode_page(std::string_view json) {
  std::map<std::string, std::string> entries;
  PageSax sax(entries);
  try {
    if (Json::sax_parse(json.begin(), json.end(), &sax)) return entries;
  } catch (const std::exception& error) {  // bad_alloc
    return fail(ErrorKind::Overload, error.what());
  }
  return fail(ErrorKind::Invalid, sax.why());
}

std::string encode_report(const LoadReport& report) {
  Json errors = Json::array();
  for (const Problem& problem : report.errors) {
    errors.push_back(
        {{"key", problem.key}, {"pointer", problem.pointer}, {"message", problem.message}});
  }
  return dump_canonical({{"generation", report.generation},
                         {"manifest", report.manifest},
                         {"state", kLoadStates[static_cast<std::size_t>(report.state)]},
                         {"at", report.at},
                         {"took_us", report.took_us},
                         {"errors", std::move(errors)}});
}

Result<LoadReport> decode_report(std::string_view json) {
  const Result<Json> parsed = parse_json(json);
  if (!parsed) return tl::unexpected(parsed.error());
  JsonFields::Problems problems;
  JsonFields fields(*parsed, "", problems);
  LoadReport report;
  for (const char* name : {"generation", "manifest", "state"}) fields.required(name);
  report.generation =
      static_cast<std::uint64_t>(fields.integer("generation", 0, INT64_MAX).value_or(0));
  report.manifest = fields.string("manifest").value_or("");
  report.state = static_cast<LoadState>(fields.word("state", kLoadStates).value_or(0));
  report.at = fields.string("at").value_or("");
  report.took_us = fields.integer("took_us", 0, INT64_MAX).value_or(0);
  read_errors(fields, report.errors);
  if (!problems.empty()) return first_of(problems);
  return report;
}

}  // namespace toyou::snapshot
