// Precompiled: the heavy headers of the dataplane's HTTP side.
#pragma once
#include "common/asio.hpp"

#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <unordered_map>
#include <variant>
#include <vector>

#include "common/asio.hpp"
