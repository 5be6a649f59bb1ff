// Prints the OpenAPI document, for openapi.py beside this file.
#include <cstdio>

#include "protocol/rest.hpp"

int main() {
  return std::puts(certline::openapi_document().c_str()) < 0;
}
