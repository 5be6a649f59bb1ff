#pragma once
// How Catch prints a Result: with the words of its error. Results of types without operator<< need
// it.

#include <catch2/catch.hpp>
#include <string>

#include "protocol/error.hpp"

template <class T>
struct Catch::StringMaker<boost::system::result<T, certline::Error>> {
  static std::string convert(const boost::system::result<T, certline::Error>& result) {
    return result ? "a value" : "error: " + result.error().detail;
  }
};
