#pragma once
// Proves that a file's pages are safe to follow. LMDB trusts its pages: one flipped bit can make it
// read and write out of bounds, or find the wrong row. Both functions throw CorruptValue, whose
// text names the page. They change nothing and trust nothing that they read.
//
// After check_pages() this holds for the transaction's snapshot: each page is within the file and
// is reached once, or is free, or is neither (leaked). Each page says its own number and kind. Its
// entries fill it without gaps or overlaps. Keys ascend, within a page and below it. The counts of
// pages and entries are those in the tables' descriptions.
//
// A value with a wrong checksum is not a reason to refuse the file. But the damage may be in the
// key, and then the row is missing at its true place. So the result is the list of tables with such
// rows: no answer about these may say that something does not exist.

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
