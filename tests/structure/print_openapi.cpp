// Prints the OpenAPI document, for openapi.py beside this file.
#include <cstdio>

#include "protocol/rest/routes.hpp"

int main() {
  return std::puts(certline::rest::openapi_document().c_str()) < 0;
}
