#pragma once
// Rows one after the other, read from the store a page at a time: `for (const auto& row : range)`.
// Each page is a copy, so the loop may change and remove rows. If it changes a row that is still to
// come, the change shows from the next page on. One pass, one thread, and only while the view
// lives: name the view before the loop.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <utility>
#include <vector>

namespace certline::store {

template <class Row>
class Range {
 public:
  // Gives the next rows, fewer than `most` only at the end.
  using Fetch = std::function<std::vector<Row>(std::size_t most)>;
  explicit Range(Fetch fetch) : fetch_(std::move(fetch)) {}

  class Iterator {
   public:
    explicit Iterator(Range& range) : range_(&range) {}
    Row& operator*() const { return range_->page_[range_->at_]; }
    Row* operator->() const { return &**this; }
    Iterator& operator++() {
      range_->advance();
      return *this;
    }
    bool operator==(std::default_sentinel_t) const { return range_->page_.empty(); }

   private:
    Range* range_;
  };
  Iterator begin() {
    turn_page();
    return Iterator(*this);
  }
  std::default_sentinel_t end() const { return {}; }

  // At most `most` of them, in one page; instead of a loop.
  std::vector<Row> first(std::size_t most) { return most == 0 ? std::vector<Row>{} : fetch_(most); }

 private:
  // A loop that ends early has read little; a long one reads in long pages.
  static constexpr std::size_t kFirstPage = 32, kLongestPage = 512;

  void advance() {
    if (++at_ < page_.size()) return;
    if (page_.size() < size_) {
      page_.clear();
    } else {
      size_ = std::min(2 * size_, kLongestPage);
      turn_page();
    }
  }
  void turn_page() {
    page_ = fetch_(size_);
    at_ = 0;
  }

  Fetch fetch_;
  std::vector<Row> page_;
  std::size_t size_ = kFirstPage, at_ = 0;
};

}  // namespace certline::store
