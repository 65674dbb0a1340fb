#include "controller/source/kubeconfig.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace toyou::source {
namespace {

std::string config(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: main\n"
         "contexts:\n- {name: other, context: {cluster: nope, user: nope}}\n"
         "- {name: main, context: {cluster: c, user: u, namespace: team-a}}\n"
         "clusters:\n- {name: c, cluster: " +
         cluster + "}\nusers:\n- {name: u, user: " + user + "}\n";
}
const std::string kCluster = "{server: 'https://10.0.0.1:6443/', certificate-authority-data: UEVN}";

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "kubeconfig.XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name) << text;
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(Kubeconfig, ReadsInlineDataOfTheCurrentContext) {
  const auto access = parse_kubeconfig(
      config(kCluster,
             "{token: ' abc ', client-certificate-data: Q0VSVA==, client-key-data: S0VZ}"),
      "/etc", "config");
  ASSERT_TRUE(access) << to_string(access.error());
  EXPECT_EQ(access->server, "https://10.0.0.1:6443");
  EXPECT_EQ(access->ns, "team-a");
  EXPECT_EQ(access->ca.bytes.reveal(), "PEM");
  EXPECT_EQ(access->token.bytes.reveal(), "abc");
  EXPECT_EQ(access->client_certificate.bytes.reveal(), "CERT");
  EXPECT_EQ(access->client_key.bytes.reveal(), "KEY");
}

TEST(Kubeconfig, ReadsFilesRelativeToItsOwnFolder) {
  const Folder folder;
  folder.write("config", config("{server: 'https://[::1]:1', certificate-authority: pki/ca.crt}",
                                "{tokenFile: token, client-certificate: /abs/c, client-key: k}"));
  folder.write("token", "first\n");
  const auto access = load_kubeconfig(folder.path() + "/config");
  ASSERT_TRUE(access) << to_string(access.error());
  EXPECT_EQ(access->ca.path, folder.path() + "/pki/ca.crt");
  EXPECT_EQ(access->client_certificate.path, "/abs/c");
  EXPECT_EQ(access->client_key.path, folder.path() + "/k");
  EXPECT_EQ(read_material(access->token)->reveal(), "first");
  folder.write("token", "second");
  EXPECT_EQ(read_material(access->token)->reveal(), "second");
  EXPECT_FALSE(read_material(access->ca));
}

TEST(Kubeconfig, ReadsJson) {
  const auto access = parse_kubeconfig(
      R"({"current-context":"t","clusters":[{"name":"t","cluster":{"server":"https://h","certificate-authority-data":"UEVN"}}],
          "contexts":[{"name":"t","context":{"cluster":"t"}}]})",
      "", "config");
  ASSERT_TRUE(access) << to_string(access.error());
  EXPECT_TRUE(access->token.empty());
}

TEST(Kubeconfig, SaysWhichFieldIsWrong) {
  const struct {
    std::string text;
    const char* field;
    ErrorKind kind;
  } cases[] = {
      {"", "mapping", ErrorKind::Invalid},
      {"a: [", "", ErrorKind::Invalid},
      {"kind: Config", "current-context", ErrorKind::Invalid},
      {"current-context: x", "contexts", ErrorKind::Invalid},
      {"{current-context: x, contexts: [{name: x, context: {cluster: y}}]}", "clusters",
       ErrorKind::Invalid},
      {config("{server: 'https://h'}", "{}"), "certificate-authority", ErrorKind::Invalid},
      {config("{certificate-authority-data: UEVN}", "{}"), "cluster.server", ErrorKind::Invalid},
      {config("{server: 'http://example.com'}", "{}"), "cluster.server", ErrorKind::Invalid},
      {config("{server: 'http://127.0.0.1.evil.example:80'}", "{}"), "cluster.server",
       ErrorKind::Invalid},
      {config("{server: 'https://h', certificate-authority-data: '%%%'}", "{}"),
       "certificate-authority-data", ErrorKind::Invalid},
      {config("{server: 'https://h', insecure-skip-tls-verify: true}", "{}"),
       "insecure-skip-tls-verify", ErrorKind::Unsupported},
      {config(kCluster, "{exec: {command: aws}}"), "user.exec", ErrorKind::Unsupported},
      {config(kCluster, "{username: a, password: b}"), "user.username", ErrorKind::Unsupported},
      {config(kCluster, "{as: root}"), "user.as", ErrorKind::Unsupported},
      {config(kCluster, "{client-certificate-data: Q0VSVA==}"), "client-certificate",
       ErrorKind::Invalid},
  };
  for (const auto& entry : cases) {
    const auto access = parse_kubeconfig(entry.text, "", "config");
    ASSERT_FALSE(access) << entry.text;
    EXPECT_EQ(access.error().kind, entry.kind) << to_string(access.error());
    EXPECT_NE(to_string(access.error()).find(entry.field), std::string::npos)
        << to_string(access.error());
    EXPECT_NE(access.error().context.find("config"), std::string::npos);
  }
}

TEST(InCluster, TakesTheServiceAccount) {
  const Folder folder;
  folder.write("ca.crt", "PEM");
  folder.write("token", "t1");
  folder.write("namespace", "toyou-system\n");
  std::map<std::string, std::string> variables{{"KUBERNETES_SERVICE_HOST", "fd00::1"},
                                               {"KUBERNETES_SERVICE_PORT", "443"}};
  const auto environment = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
  const auto access = in_cluster_access(environment, folder.path());
  ASSERT_TRUE(access) << to_string(access.error());
  EXPECT_EQ(access->server, "https://[fd00::1]:443");
  EXPECT_EQ(access->ns, "toyou-system");
  EXPECT_EQ(read_material(access->token)->reveal(), "t1");
  variables.erase("KUBERNETES_SERVICE_HOST");
  const auto outside = in_cluster_access(environment, folder.path());
  ASSERT_FALSE(outside);
  EXPECT_NE(outside.error().message.find("--kubeconfig"), std::string::npos);
}

TEST(Base64, DecodesPaddedTextOnly) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("YQ=="), "a");
  EXPECT_EQ(decode_base64("YW\nI=\n"), "ab");
  EXPECT_EQ(decode_base64("YWJj"), "abc");
  for (const char* bad : {"Y", "YQ", "YQ=", "=YQ=", "YQ==YQ==", "Y===", "!@#$", "===="}) {
    EXPECT_EQ(decode_base64(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace toyou::source
