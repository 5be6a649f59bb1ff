// Reads a trace. It cuts requests and replies from each connection's two streams; the n-th reply
// answers the n-th request.
#include "store_trace.hpp"

#include <deque>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace certline::faults {
namespace {

struct Connection {
  std::string asked, told;  // what isn't a whole line yet
  std::deque<Promise> waiting;
  std::string id;
};

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// Calls visit(line) for each whole line of `gathered` and leaves the rest.
template <class Visit>
void take_lines(std::string& gathered, const Visit& visit) {
  for (std::size_t end = gathered.find('\n'); end != std::string::npos; end = gathered.find('\n')) {
    visit(gathered.substr(0, end));
    gathered.erase(0, end + 1);
  }
}

void take_request(Connection& connection, const std::string& line, std::vector<Event>& events) {
  const auto words = words_of(line);  // command add domain D apikey K
  const bool plain = words.size() == 6 && words[2] == "domain" && words[4] == "apikey";
  if (!plain || (words[1] != "add" && words[1] != "remove"))
    throw std::runtime_error("not a request that the replay knows: " + line);
  const bool adds = words[1] == "add";
  Promise promise{
      adds ? Promise::Kind::add_asked : Promise::Kind::remove_asked, words[3], words[5], {}};
  events.emplace_back(promise);
  promise.kind = adds ? Promise::Kind::added : Promise::Kind::removed;
  connection.waiting.push_back(promise);
}

void take_reply_line(Connection& connection, const std::string& line, std::vector<Event>& events) {
  const auto words = words_of(line);  // data id I key Y domain D, then status ok 200 …
  if (words.size() >= 3 && words[0] == "data" && words[1] == "id") connection.id = words[2];
  if (words.size() < 3 || words[0] != "status") return;
  if (connection.waiting.empty()) throw std::runtime_error("a reply without its request: " + line);
  Promise promise = connection.waiting.front();
  connection.waiting.pop_front();
  promise.id = connection.id;
  if (words[1] == "ok") events.emplace_back(promise);
}

}  // namespace

std::vector<Event> read_trace(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::map<std::string, Connection> connections;
  std::vector<Event> events;
  const auto payload = [&in](std::size_t size) {
    std::string bytes(size, '\0');
    in.read(bytes.data(), static_cast<std::streamsize>(size));
    return bytes;
  };
  for (std::string line; std::getline(in, line);) {
    const auto words = words_of(line);
    const std::string& kind = words.at(0);
    const bool about_store = kind == "W" || kind == "S" || kind == "T" || kind == "?";
    if (about_store && words.at(1) != "data.mdb")
      throw std::runtime_error("a file that the replay doesn't know: " + line);
    if (kind == "W") {
      std::string bytes = payload(std::stoul(words.at(3)));
      events.emplace_back(Written{std::stoull(words.at(2)), std::move(bytes), words.at(4) == "1"});
    } else if (kind == "S") {
      events.emplace_back(Synced{});
    } else if (kind == "R" || kind == "A") {
      Connection& connection = connections[words.at(1)];
      std::string& gathered = kind == "R" ? connection.asked : connection.told;
      gathered += payload(std::stoul(words.at(2)));
      take_lines(gathered, [&](const std::string& said) {
        kind == "R" ? take_request(connection, said, events)
                    : take_reply_line(connection, said, events);
      });
    } else {
      throw std::runtime_error("a call that the replay doesn't know: " + line);
    }
  }
  return events;
}

}  // namespace certline::faults
