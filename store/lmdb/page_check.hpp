#pragma once
// Proof that a file's pages are safe to follow. LMDB trusts its pages: a flipped bit in one makes
// it read and write out of bounds, or find the wrong row. Both functions throw CorruptValue, whose
// text names the page; neither changes anything, nor trusts anything it reads.
//
// What holds after check_pages(), for the snapshot that the transaction sees: each page is reached
// once, or is free, or is neither (leaked), and lies within the file; each page says its own number
// and kind; its entries fill it without gaps or overlaps; keys ascend, within a page and below it;
// the counts of pages and entries are those that the tables' descriptions state.
//
// A value that fails its checksum is no reason to refuse the file; but what fails may be the key,
// and then the row is missing where it belongs. So the answer is which tables have such rows: there
// nobody can be told that something does not exist.

#include <bitset>
#include <optional>
#include <string>

#include "store/lmdb/environment.hpp"

namespace certline::store::lmdb {

// Why this check can't tell whether the file is sound, as a sentence for the log: it knows the
// pages of one data version only, as the libraries it was written for write them. Whoever gets a
// reason checks nothing and leaves the file to LMDB, which refuses a data version unknown to it.
std::optional<std::string> unknown_pages(const std::string& data_file,
                                         LibraryVersion library = running_library());

// The two pages that describe the newest snapshots, before LMDB reads them. A file that is absent
// or empty is a store still to be made.
void check_meta_pages(const std::string& data_file);

std::bitset<kTableCount> check_pages(const std::string& data_file, const Environment& environment);

}  // namespace certline::store::lmdb
