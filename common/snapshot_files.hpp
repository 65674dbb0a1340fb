// The files of a snapshot directory other than objects: their names, and their text both ways.
// Format: docs/snapshot-format.md. Input is hostile; nothing throws.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "common/snapshot_store.hpp"

namespace toyou::snapshot {

inline constexpr const char* kManifestFile = "manifest.json";
inline constexpr const char* kGoodFile = "good.json";
inline constexpr const char* kLoadedFile = "loaded.json";

std::string object_file(const std::string& sha256);  // "objects/<sha256>.json"
std::string page_file(const std::string& sha256);    // "index/<sha256>.json"

// "00".."ff": the first byte of the key's SHA-256.
std::string page_of(std::string_view key);

std::string encode_manifest(const Manifest& manifest);
// Types, ranges and hashes (a name that is no SHA-256 could lead out of the directory), whatever
// the schema version says: see check_schema.
Result<Manifest> decode_manifest(std::string_view json);
// ErrorKind::Unsupported, in words for the operator, for any major but ours.
Result<void> check_schema(const Manifest& manifest);

std::string encode_page(const std::map<std::string, std::string>& entries);
// Read without building a document: a page may have megabytes.
Result<std::map<std::string, std::string>> decode_page(std::string_view json);

std::string encode_report(const LoadReport& report);
Result<LoadReport> decode_report(std::string_view json);

}  // namespace toyou::snapshot
