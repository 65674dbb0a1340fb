// The only way to include Asio: Boost 1.74 needs <utility> before its coroutine headers under
// clang (std::exchange in awaitable.hpp).
#pragma once

#include <utility>

#include <boost/asio.hpp>

namespace toyou {
namespace asio = boost::asio;
using tcp = boost::asio::ip::tcp;
using error_code = boost::system::error_code;
}  // namespace toyou
