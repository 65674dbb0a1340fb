#include "common/admin_server.hpp"
