#include "common/standard_files.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace toyou {

void open_standard_files() {
  int fd = 0;
  do {
    fd = ::open("/dev/null", O_RDWR);  // the lowest number that is free
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) ::close(fd);
}

}  // namespace toyou
