#pragma once
// A directory that is removed at the end of its test.

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

namespace certline::runtime {

struct TemporaryDirectory {
  std::string path;
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "certline-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
};

}  // namespace certline::runtime
