// Each text says what to do next, since it is all that a script's author sees.
#include "daemon/service/refusals.hpp"

namespace certline::service {

Error unknown_key() {
  return {ErrorKind::key_unknown,
          "this API key is unknown here; register it with: command add domain D apikey K"};
}

Error unknown_name() {
  return {
      ErrorKind::not_registered,
      "this name is not watched with this key; register it with: command add domain D apikey K"};
}

Error only_administrators() {
  return {ErrorKind::refused,
          "only root and the daemon's own user may do this, on its Unix socket (line.socket)"};
}

Error worthless_key(KeyState state) {
  if (state == KeyState::blocked) {
    return {ErrorKind::key_unknown, "this API key is blocked; ask the operator of this server"};
  }
  return {ErrorKind::key_unknown, "this API key was revoked; make a new one with: command apikey"};
}

}  // namespace certline::service
