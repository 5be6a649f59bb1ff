#pragma once
// Opens the sockets on which server threads accept connections.

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>

#include "daemon/server/ports.hpp"

namespace certline::server {

// TCP or a Unix socket; listening, non-blocking.
using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

// One of several that share a claimed port, each for a thread. Errors (unavailable): it was taken
// since; the text names the setting.
Result<Acceptor> listen_at(boost::asio::io_context& io, const Bound& bound);

// The Unix socket, open to every user of this machine: the kernel tells the uid. A file that
// nobody listens on any more is replaced. Errors (unavailable): somebody does, the directory is
// missing, ...
Result<Acceptor> listen_locally(boost::asio::io_context& io, const std::string& path);

boost::asio::ip::tcp::endpoint tcp_endpoint(const runtime::ListenAddress& listen);
Error cannot_listen(Wire wire, const std::string& where, const std::string& why);

}  // namespace certline::server
