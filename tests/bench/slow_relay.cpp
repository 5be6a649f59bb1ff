// A front for the farm of a hundred ports. Each connection waits a while and then goes on to the
// same address, at the port whose certificate covers it. Some addresses accept and stay silent. One
// thread; ends on SIGTERM.
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "addresses.hpp"

namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);

struct Plan {
  std::uint16_t listen = 0, first_server = 0;
  std::chrono::milliseconds delay{0};
};

struct Pair {
  tcp::socket client, server;
};

awaitable<void> pass_on(std::shared_ptr<Pair> pair, bool to_client) {
  tcp::socket& from = to_client ? pair->server : pair->client;
  tcp::socket& to = to_client ? pair->client : pair->server;
  std::array<char, 4096> bytes;
  for (;;) {
    const auto [error, got] = co_await from.async_read_some(asio::buffer(bytes), kNoThrow);
    if (error) break;
    const auto [failed, sent] = co_await asio::async_write(to, asio::buffer(bytes, got), kNoThrow);
    if (failed) break;
  }
  boost::system::error_code ignored;
  to.shutdown(tcp::socket::shutdown_send, ignored);
}

awaitable<void> hold(tcp::socket& client) {
  std::array<char, 4096> ignored;
  for (;;) {
    const auto [error, got] = co_await client.async_read_some(asio::buffer(ignored), kNoThrow);
    if (error) co_return;
  }
}

awaitable<void> serve(tcp::socket client, Plan plan) {
  boost::system::error_code error;
  const tcp::endpoint own = client.local_endpoint(error);
  if (error) co_return;
  if (certline::bench::is_silent(own.address().to_v4().to_uint())) co_return co_await hold(client);
  const auto executor = client.get_executor();
  asio::steady_timer delay(executor, plan.delay);
  std::tie(error) = co_await delay.async_wait(kNoThrow);
  const auto pair = std::make_shared<Pair>(Pair{std::move(client), tcp::socket(executor)});
  const auto port = static_cast<std::uint16_t>(
      plan.first_server + certline::bench::port_offset(own.address().to_v4().to_uint()));
  std::tie(error) = co_await pair->server.async_connect({own.address(), port}, kNoThrow);
  if (error) co_return;
  pair->client.set_option(tcp::no_delay(true), error);
  pair->server.set_option(tcp::no_delay(true), error);
  asio::co_spawn(executor, pass_on(pair, true), asio::detached);
  co_await pass_on(pair, false);
}

awaitable<void> accept(tcp::acceptor& acceptor, Plan plan) {
  for (;;) {
    auto [error, client] = co_await acceptor.async_accept(kNoThrow);
    if (error) {
      std::fprintf(stderr, "accept: %s\n", error.message().c_str());
      co_return;
    }
    asio::co_spawn(acceptor.get_executor(), serve(std::move(client), plan), asio::detached);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: slow_relay PORT FIRST_SERVER_PORT DELAY_MS\n");
    return 2;
  }
  const Plan plan{static_cast<std::uint16_t>(std::atoi(argv[1])),
                  static_cast<std::uint16_t>(std::atoi(argv[2])),
                  std::chrono::milliseconds(std::atoi(argv[3]))};
  asio::io_context context{1};
  tcp::acceptor acceptor(context, {asio::ip::address_v4::any(), plan.listen});
  asio::co_spawn(context, accept(acceptor, plan), asio::detached);
  context.run();
  return 1;
}
