#pragma once
// The engines that the contract tests run on: each one that a store can have. A new engine is one
// more row.

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "store/lmdb/open.hpp"
#include "tests/unit/store/samples.hpp"

namespace certline::store::test {

struct EngineUnderTest {
  std::string name;
  std::unique_ptr<Store> (*open)(const std::string& path);  // creates what is missing
};

inline std::vector<EngineUnderTest> engines() {
  return {{"lmdb", [](const std::string& path) { return lmdb::open(settings(path)).value(); }}};
}

// TEST_CASE_METHOD(OnEachEngine, …) runs once for each.
class OnEachEngine {
 public:
  OnEachEngine() : engine_(GENERATE(from_range(engines()))) {}

 protected:
  std::unique_ptr<Store> open_at(const std::string& path) const { return engine_.open(path); }

 private:
  EngineUnderTest engine_;
};

}  // namespace certline::store::test
