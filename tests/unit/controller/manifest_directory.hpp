// A temporary directory whose files are saved as people and their editors do.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "tests/support/temp_dir.hpp"

namespace toyou::test {

class ManifestDirectory : public TempDir {
 public:
  // Truncates and writes in place, as `cat > file` does.
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(*this / name, std::ios::binary) << text;
  }
  // A temporary file, then rename.
  void replace(const std::string& name, std::string_view text) const {
    write("." + name + ".tmp", text);
    std::filesystem::rename(*this / ("." + name + ".tmp"), *this / name);
  }
  void remove(const std::string& name) const { std::filesystem::remove(*this / name); }
};

}  // namespace toyou::test
