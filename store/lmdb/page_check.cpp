// Walks over all pages of a snapshot, from the two trees that its description names. The file is
// mapped a second time, because LMDB's own mapping may be larger than the file. A read transaction
// stays open meanwhile, so that a writer in another process does not reuse the snapshot's pages.
#include "store/lmdb/page_check.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "store/lmdb/page_format.hpp"

namespace certline::store::lmdb {
namespace {

using namespace pages;

// Pages given up again before they were written may lie behind the end of the file: so many are in
// a transaction at most.
constexpr std::uint64_t kUnwritten = 131072;
// Their mdb.c was read for this check. A newer one belongs here once its pages were compared.
constexpr std::array kKnownLibraries = {LibraryVersion{0, 9, 24}};
constexpr int kTries = 100;  // a running writer replaces the descriptions under our eyes
constexpr std::size_t kReadAhead = std::size_t{1} << 30;

[[noreturn]] void damaged(const std::string& what) {
  throw CorruptValue(what + ": the file is damaged, restore a backup");
}

void require(bool held, const char* what) {
  if (!held) damaged(what);
}

class Mapping {
 public:
  explicit Mapping(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return;
    struct stat about {};
    if (fd >= 0 && ::fstat(fd, &about) == 0 && about.st_size > 0) {
      size_ = static_cast<std::size_t>(about.st_size);
      memory_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
    }
    const int reason = errno;
    if (fd >= 0) ::close(fd);
    if (fd < 0 || memory_ == MAP_FAILED)
      throw StoreFailure("map " + path + ": " + strerror(reason));
  }
  ~Mapping() {
    if (size_ > 0) ::munmap(memory_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ByteView bytes() const { return {static_cast<const std::uint8_t*>(memory_), size_}; }
  // Below are pages in no order that the kernel could guess.
  void read_ahead() const {
    if (size_ > 0) ::madvise(memory_, std::min(size_, kReadAhead), MADV_WILLNEED);
  }

 private:
  std::size_t size_ = 0;
  void* memory_ = nullptr;
};

std::size_t page_size(ByteView file) {
  const auto size = number_at<std::uint32_t>(file, kPageHeader + Meta::kFree);
  require(size >= kSmallestPage && size <= kLargestPage && (size & (size - 1)) == 0,
          "page 0 names an impossible page size");
  return size;
}

using Metas = std::array<Meta, kMetaPages>;

// LMDB writes the descriptions in turn, each with the next number.
Metas read_metas(ByteView file) {
  require(file.size() >= kPageHeader + Meta::kSize, "the file is too short");
  const std::size_t size = page_size(file);
  require(file.size() >= kMetaPages * size, "the file is too short");
  const auto read = [&](std::uint64_t page) {
    const ByteView bytes = file.subspan(page * size, size);
    const Meta meta = Meta::at(bytes.subspan(kPageHeader));
    require(number_at<std::uint64_t>(bytes, 0) == page &&
                number_at<std::uint16_t>(bytes, 10) == kMeta && meta.magic == kMagic &&
                meta.version == kVersion && meta.free.pad == size &&
                meta.free.flags == kIntegerKeys && meta.main.flags == 0,
            page == 0 ? "page 0 is not a description" : "page 1 is not a description");
    return meta;
  };
  const Metas metas = {read(0), read(1)};
  const std::uint64_t even = metas[0].transaction, odd = metas[1].transaction;
  require((even == 0 && odd == 0) || (even % 2 == 0 && (odd == even + 1 || odd + 1 == even)),
          "pages 0 and 1 do not follow each other");
  return metas;
}

std::string on_page(std::uint64_t page, const std::string& what) {
  return "page " + std::to_string(page) + ": " + what;
}

int compare_bytes(ByteView a, ByteView b) {
  const int order = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  return order != 0 ? order : a.size() < b.size() ? -1 : a.size() > b.size();
}

int compare_integers(ByteView a, ByteView b) {
  const auto x = number_at<std::uint64_t>(a, 0), y = number_at<std::uint64_t>(b, 0);
  return x < y ? -1 : x > y;
}

class Walk {
 public:
  Walk(ByteView file, const Meta& meta)
      : file_(file), meta_(meta), size_(page_size(file)), pages_(meta.last_page + 1) {
    require(meta.last_page >= 1 && meta.last_page <= file.size() / size_ + kUnwritten,
            "the number of pages does not fit the file");
    reached_.resize(pages_);
  }

  std::bitset<kTableCount> run() {
    reached_[0] = reached_[1] = true;
    walk(meta_.free, Kind::free);
    walk(meta_.main, Kind::main);
    return unsound_;
  }

 private:
  enum class Kind : std::uint8_t { free, main, table };
  struct Range {  // low ≤ key < high
    std::optional<ByteView> low, high;
  };
  struct Below {
    Kind kind;
    std::uint64_t branches = 0, leaves = 0, overflows = 0, entries = 0;
  };

  void reach(std::uint64_t page, std::uint64_t count = 1) {
    if (page >= pages_ || count > pages_ - page) damaged(on_page(page, "beyond the last page"));
    for (std::uint64_t i = page; i < page + count; ++i) {
      if (reached_[i]) damaged(on_page(i, "in use twice"));
      reached_[i] = true;
    }
  }

  ByteView page_at(std::uint64_t page, std::uint64_t count = 1) const {
    if (page + count > file_.size() / size_) damaged(on_page(page, "beyond the end of the file"));
    const ByteView bytes = file_.subspan(page * size_, count * size_);
    if (number_at<std::uint64_t>(bytes, 0) != page) damaged(on_page(page, "has another number"));
    return bytes;
  }

  void walk(const Tree& tree, Kind kind) {
    Below below{kind};
    require(tree.depth <= kDeepest, "a tree is too deep");
    require((tree.root == kNoPage) == (tree.depth == 0), "a tree without a root");
    if (tree.root != kNoPage) walk_page(tree.root, tree.depth, {}, below);
    require(below.branches == tree.branches && below.leaves == tree.leaves &&
                below.overflows == tree.overflows && below.entries == tree.entries,
            "a table does not have the pages or entries that it states");
  }

  void walk_page(std::uint64_t number, unsigned depth, const Range& range, Below& below) {
    reach(number);
    const ByteView page = page_at(number);
    const bool leaf = depth == 1;
    const std::size_t lower = number_at<std::uint16_t>(page, 12);
    const std::size_t upper = number_at<std::uint16_t>(page, 14);
    if (number_at<std::uint16_t>(page, 10) != (leaf ? kLeaf : kBranch) || lower < kPageHeader ||
        lower > upper || upper > size_ || lower % kPointer != 0)
      damaged(on_page(number, "not the page that belongs here"));
    ++(leaf ? below.leaves : below.branches);
    const std::size_t count = (lower - kPageHeader) / kPointer;
    if (count < (leaf || below.kind == Kind::free ? 1 : 2))
      damaged(on_page(number, "too few entries"));
    prefetch(page, count);
    std::size_t filled = 0;
    Range part{range.low, {}};
    std::optional<Node> before;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t offset = number_at<std::uint16_t>(page, kPageHeader + i * kPointer);
      if (offset < upper) damaged(on_page(number, "an entry outside its page"));
      const Node node = Node::at(page, offset);
      filled += extent(node, leaf, page, number);
      const bool keyless = !leaf && i == 0;      // stands for everything before the second
      const bool first = i <= (leaf ? 0u : 1u);  // may be what the page above calls its lowest
      if (!keyless) check_key(node.key, part.low, !first, range.high, below.kind, number);
      if (leaf) walk_entry(page, node, below);
      if (!leaf && before) descend(*before, depth, part, node.key, below);
      if (!keyless) part.low = node.key;
      before = node;
    }
    if (filled != size_ - upper) damaged(on_page(number, "gaps or overlaps between entries"));
    if (!leaf) {
      part.high = range.high;
      walk_page(before->child, depth - 1, part, below);
    }
  }

  // Most of the time goes into waiting for memory; this way for all entries of a page at once.
  static void prefetch(ByteView page, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t offset = number_at<std::uint16_t>(page, kPageHeader + i * kPointer);
      __builtin_prefetch(page.data() + offset);
    }
  }

  void descend(const Node& node, unsigned depth, Range part, ByteView high, Below& below) {
    part.high = high;
    walk_page(node.child, depth - 1, part, below);
  }

  // What the entry takes of its page.
  std::size_t extent(const Node& node, bool leaf, ByteView page, std::uint64_t number) const {
    std::uint64_t end = node.data;
    if (leaf) end += node.kind == kBig ? sizeof(std::uint64_t) : node.data_size;
    if (end > page.size()) damaged(on_page(number, "an entry outside its page"));
    const std::size_t bytes = end - (node.data - node.key.size() - kNodeHeader);
    return bytes + bytes % 2;
  }

  static void check_key(ByteView key, const std::optional<ByteView>& low, bool above_low,
                        const std::optional<ByteView>& high, Kind kind, std::uint64_t number) {
    if (key.empty() || key.size() > kMaxKeyBytes ||
        (kind == Kind::free && key.size() != sizeof(std::uint64_t)))
      damaged(on_page(number, "a key of an impossible size"));
    const auto compare = kind == Kind::free ? compare_integers : compare_bytes;
    if ((low && compare(*low, key) >= (above_low ? 0 : 1)) || (high && compare(key, *high) >= 0))
      damaged(on_page(number, "keys out of order"));
  }

  void walk_entry(ByteView page, const Node& node, Below& below) {
    ++below.entries;
    if (below.kind == Kind::main) {
      require(node.kind == kTable && node.data_size == Tree::kSize,
              "something that is not a table");
      const Tree tree = Tree::at(page, node.data);
      require(tree.flags == 0, "a table of another kind");
      running_ = 0;
      while (running_ < kTableCount && !names(node.key, static_cast<Table>(running_))) ++running_;
      return walk(tree, Kind::table);
    }
    require(node.kind == kPlain || node.kind == kBig, "an entry of an impossible kind");
    ByteView value = page.subspan(node.data, node.kind == kPlain ? node.data_size : 0);
    if (node.kind == kBig) {
      const auto first = number_at<std::uint64_t>(page, node.data);
      const std::uint64_t needed = (kPageHeader + node.data_size - 1) / size_ + 1;
      if (first >= pages_) damaged(on_page(first, "beyond the last page"));
      const ByteView head = page_at(first);
      const std::uint64_t count = number_at<std::uint32_t>(head, 12);
      if (number_at<std::uint16_t>(head, 10) != kOverflow || count < needed)
        damaged(on_page(first, "not the page that belongs here"));
      reach(first, count);
      below.overflows += count;
      value = page_at(first, count).subspan(kPageHeader, node.data_size);
    }
    if (below.kind == Kind::free) return walk_free_list(value, node.key);
    if (running_ < kTableCount && !is_sound({value, node.key})) unsound_.set(running_);
  }

  static bool names(ByteView key, Table table) {
    const std::string_view name = table_name(table);
    return std::equal(key.begin(), key.end(), name.begin(), name.end());
  }

  void walk_free_list(ByteView value, ByteView key) {
    require(number_at<std::uint64_t>(key, 0) <= meta_.transaction, "pages freed in the future");
    const auto count = number_at<std::uint64_t>(value, 0);
    require(count < value.size() / sizeof(std::uint64_t), "a free list too long");
    std::uint64_t before = kNoPage;
    for (std::uint64_t i = 1; i <= count; ++i) {
      const auto page = number_at<std::uint64_t>(value, i * sizeof(std::uint64_t));
      require(page < before, "a free list out of order");
      reach(page);
      before = page;
    }
  }

  ByteView file_;
  const Meta& meta_;
  std::size_t size_;
  std::uint64_t pages_;
  std::vector<bool> reached_;
  std::size_t running_ = kTableCount;  // the table that is being walked
  std::bitset<kTableCount> unsound_;
};

}  // namespace

LibraryVersion running_library() {
  LibraryVersion version;
  mdb_version(&version.major, &version.minor, &version.patch);
  return version;
}

std::optional<std::string> unknown_pages(const std::string& data_file, LibraryVersion library) {
  if (std::ranges::find(kKnownLibraries, library) == kKnownLibraries.end())
    return "the page check does not know LMDB " + std::to_string(library.major) + "." +
           std::to_string(library.minor) + "." + std::to_string(library.patch);
  const Mapping file(data_file);
  if (file.bytes().size() < kPageHeader + Meta::kSize) return std::nullopt;
  const Meta first = Meta::at(file.bytes().subspan(kPageHeader));
  if (first.magic != kMagic || first.version == kVersion) return std::nullopt;
  return "the page check does not know LMDB's data version " + std::to_string(first.version);
}

void check_meta_pages(const std::string& data_file) {
  const Mapping file(data_file);
  if (file.bytes().empty()) return;
  for (int i = 1;; ++i) {
    try {
      read_metas(file.bytes());
      return;
    } catch (const CorruptValue&) {
      if (i == kTries) throw;
    }
  }
}

std::bitset<kTableCount> check_pages(const std::string& data_file, const Environment& environment) {
  for (int i = 0; i < kTries; ++i) {
    const RawTransaction snapshot(environment, false);
    const Mapping file(data_file);
    const std::uint64_t transaction = mdb_txn_id(snapshot.raw());
    const Metas metas = read_metas(file.bytes());
    for (const Meta& meta : metas) {
      if (meta.transaction != transaction) continue;
      file.read_ahead();
      return Walk(file.bytes(), meta).run();
    }
  }
  throw StoreFailure("the store changes too fast to be checked: try again");
}

}  // namespace certline::store::lmdb
