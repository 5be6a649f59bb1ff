// Runs a fuzz target over the files and directories named on the command line. So every build
// replays the corpus, with any compiler. With --mutate N each file is also run in N damaged
// variants, from a fixed sequence of random numbers.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

Bytes read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    std::exit(2);
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// A few bytes changed, dropped, doubled or put in.
Bytes damaged(Bytes bytes, std::mt19937& random) {
  for (std::uint32_t n = random() % 4 + 1; n > 0; --n) {
    const auto at = static_cast<std::ptrdiff_t>(bytes.empty() ? 0 : random() % bytes.size());
    const auto byte = static_cast<std::uint8_t>(random());
    const std::uint32_t how = bytes.empty() ? 0 : random() % 4;
    if (how == 0) bytes.insert(bytes.begin() + at, byte);
    if (how == 1) bytes[static_cast<std::size_t>(at)] = byte;
    if (how == 2) bytes.erase(bytes.begin() + at);
    if (how == 3) {
      const Bytes tail(bytes.begin() + at, bytes.end());
      bytes.insert(bytes.end(), tail.begin(), tail.end());
    }
  }
  return bytes;
}

void run(const fs::path& path, std::uint32_t variants) {
  const Bytes bytes = read(path);
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  std::mt19937 random(1);
  for (std::uint32_t i = 0; i < variants; ++i) {
    const Bytes variant = damaged(bytes, random);
    LLVMFuzzerTestOneInput(variant.data(), variant.size());
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::uint32_t variants = 0;
  std::size_t files = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--mutate" && i + 1 < argc) {
      variants = static_cast<std::uint32_t>(std::strtoul(argv[++i], nullptr, 10));
      continue;
    }
    const fs::path path = argv[i];
    if (!fs::is_directory(path)) {
      run(path, variants);
      ++files;
      continue;
    }
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (!entry.is_regular_file()) continue;
      run(entry.path(), variants);
      ++files;
    }
  }
  std::printf("%zu files, each in %u variants besides itself\n", files, variants);
  return files > 0 ? 0 : 2;
}
