// Golden pairs: tests/golden/translate/<topic>/<case>.in.yaml holds manifests (a first document
// with `options` sets those of the translation), <case>.out.json the snapshot, <case>.report.txt
// what is said about each object. TOYOU_UPDATE_GOLDENS=1 writes what the code does now; read the
// diff.
//
// Certificates are made by each run: a document with `certs: {NAME: {dns: […], key: ecdsa | rsa |
// ed25519, notAfter: 20200101000000Z}}` asks for them, "${cert:NAME}" and "${key:NAME}" stand for
// their PEM, in base64 in the input and as they are in the output. `before` lists earlier versions
// of objects, which arrive first. The time is 2026-01-01.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "common/snapshot_json.hpp"
#include "controller/source/yaml_json.hpp"
#include "controller/store/object_store.hpp"
#include "controller/translate/translate.hpp"
#include "tests/support/certificate_maker.hpp"

namespace toyou::translate {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const WallTime kNow = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);

struct Case {
  Options options;
  std::map<std::string, test::MadeCertificate> certificates;
  std::vector<json> before;
  std::vector<json> objects;
};

test::MadeCertificate make(const json& given) {
  test::CertificateRecipe recipe;
  recipe.dns = given.value("dns", std::vector<std::string>{});
  recipe.key = given.value("key", recipe.key);
  recipe.not_after = given.value("notAfter", recipe.not_after);
  return test::make_certificate(recipe);
}

// What stands for the PEM of the case's certificates, both ways.
std::vector<std::pair<std::string, std::string>> placeholders(const Case& given) {
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& [name, made] : given.certificates) {
    all.emplace_back("${cert:" + name + "}", made.chain);
    all.emplace_back("${key:" + name + "}", made.key);
  }
  return all;
}

void fill_in(const Case& given, json& value) {
  if (value.is_structured()) {
    for (json& item : value) fill_in(given, item);
  } else if (value.is_string()) {
    for (const auto& [placeholder, pem] : placeholders(given)) {
      if (value == placeholder) value = test::base64(pem);
    }
  }
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

Options read_options(const json& given) {
  Options options;
  options.watch_without_class = given.value("watchWithoutClass", false);
  options.assume_default_class = given.value("assumeDefaultClass", false);
  options.classes_known = given.value("classesKnown", true);
  options.host_ownership_shared = given.value("hostOwnershipShared", false);
  options.default_backend_service = given.value("defaultBackendService", "");
  options.default_certificate = given.value("defaultCertificate", "");
  options.ticket_key_secret = given.value("ticketKeySecret", "");
  options.secrets_known = given.value("secretsKnown", false);
  return options;
}

Case load(const fs::path& path) {
  Case loaded;
  const auto documents = source::parse_yaml_documents(read(path), path.string());
  if (!documents) {
    ADD_FAILURE() << to_string(documents.error());
    return loaded;
  }
  for (const source::YamlDocument& document : *documents) {
    const json& value = document.value;
    if (value.contains("options")) {
      loaded.options = read_options(value["options"]);
    } else if (value.contains("certs")) {
      for (const auto& [name, recipe] : value["certs"].items()) {
        loaded.certificates.emplace(name, make(recipe));
      }
    } else if (value.contains("before")) {
      loaded.before = value["before"].get<std::vector<json>>();
    } else {
      loaded.objects.push_back(value);
    }
  }
  for (json& object : loaded.before) fill_in(loaded, object);
  for (json& object : loaded.objects) fill_in(loaded, object);
  return loaded;
}

Translation run(const Case& given, const std::vector<json>& objects) {
  store::ObjectStore store;
  for (const auto* list : {&given.before, &objects}) {
    for (const json& object : *list) {
      const auto outcome = store.upsert(object);
      EXPECT_TRUE(outcome.has_value()) << to_string(outcome.error());
    }
  }
  return translate(store, given.options, kNow);
}

std::string snapshot_text(const Case& given, const snapshot::Snapshot& snapshot) {
  json all = json::object();
  for (const auto& [key, object] : snapshot) {
    json& shown = all[key] = json::parse(snapshot::encode(object));
    for (const auto& [placeholder, pem] : placeholders(given)) {
      for (const char* field : {"chain", "key", "certificates"}) {
        if (shown.contains(field) && shown[field] == pem) shown[field] = placeholder;
      }
    }
  }
  return all.dump(2) + "\n";
}

std::string report_text(const Report& report) {
  std::string text;
  for (const auto& [key, object] : report) {
    for (const Condition& condition : conditions(object)) {
      text += to_string(key) + " " + std::string(to_string(condition.type)) + "=" +
              (condition.status ? "True" : "False") + " " + condition.reason + ": " +
              condition.message + "\n";
    }
    if (object.serves_tls) text += to_string(key) + " is served over TLS\n";
  }
  return text;
}

void expect_file(const fs::path& path, const std::string& actual) {
  const char* update = std::getenv("TOYOU_UPDATE_GOLDENS");
  if (update != nullptr && std::string(update) == "1") {
    std::ofstream(path, std::ios::binary) << actual;
    return;
  }
  EXPECT_EQ(read(path), actual) << path << " differs; TOYOU_UPDATE_GOLDENS=1 rewrites it";
}

std::vector<fs::path> inputs() {
  std::vector<fs::path> paths;
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(TOYOU_TEST_DATA) / "golden" / "translate")) {
    if (entry.path().string().ends_with(".in.yaml")) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string test_name(const ::testing::TestParamInfo<fs::path>& info) {
  std::string name =
      info.param.parent_path().filename().string() + "_" + info.param.stem().stem().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class Golden : public ::testing::TestWithParam<fs::path> {
 protected:
  // "<case>.in.yaml" -> "<case><suffix>".
  [[nodiscard]] fs::path beside(const std::string& suffix) const {
    return GetParam().parent_path() / (GetParam().stem().stem().string() + suffix);
  }
};

TEST_P(Golden, IsWhatTheFilesSay) {
  const Case given = load(GetParam());
  const Translation translation = run(given, given.objects);
  expect_file(beside(".out.json"), snapshot_text(given, translation.snapshot));
  expect_file(beside(".report.txt"), report_text(translation.report));
}

TEST_P(Golden, IsAValidSnapshot) {
  const Case given = load(GetParam());
  for (const snapshot::Problem& problem : snapshot::validate(run(given, given.objects).snapshot)) {
    ADD_FAILURE() << problem.key << problem.pointer << " " << problem.message;
  }
}

TEST_P(Golden, DoesNotDependOnTheOrderOfArrival) {
  const Case given = load(GetParam());
  const Translation first = run(given, given.objects);
  std::vector<json> objects = given.objects;
  std::mt19937 random(7);
  for (int round = 0; round < 8; ++round) {
    std::shuffle(objects.begin(), objects.end(), random);
    const Translation again = run(given, objects);
    ASSERT_EQ(snapshot_text(given, first.snapshot), snapshot_text(given, again.snapshot));
    ASSERT_EQ(report_text(first.report), report_text(again.report));
  }
}

INSTANTIATE_TEST_SUITE_P(Translate, Golden, ::testing::ValuesIn(inputs()), test_name);

}  // namespace
}  // namespace toyou::translate
