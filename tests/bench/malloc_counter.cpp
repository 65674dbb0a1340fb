// Counts the allocations of a process by thread, for the guards: preloaded, it stands in front of
// glibc's allocator and adds to a file that the test has mapped too ($MALLOC_COUNTER_FILE, written
// to by nobody else; without it nothing is counted).
//
// The file is an array of Slot, one for each thread that ever allocated, in the order of their
// first allocation. A thread that finds no free slot is not counted: 256 are more than we start.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

// glibc's own entry points: nothing to look up, so the first allocation may come at any time.
extern "C" {
// NOLINTBEGIN(readability-identifier-naming)
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* block);
// NOLINTEND(readability-identifier-naming)
}

namespace {

struct Slot {
  std::int64_t thread;  // 0: free
  std::uint64_t allocations;
  std::uint64_t frees;
  std::uint64_t bytes;
};
constexpr std::size_t kSlots = 256;

Slot* slots = nullptr;
std::atomic<std::size_t> slots_taken{0};
// Initial-exec: what a preloaded library may use without an allocation of its own.
thread_local Slot* mine __attribute__((tls_model("initial-exec"))) = nullptr;
thread_local Slot uncounted __attribute__((tls_model("initial-exec")));

// Not an initialiser of a static object: those of other libraries allocate before ours run.
__attribute__((constructor(101))) void map_file() {
  const char* name = std::getenv("MALLOC_COUNTER_FILE");
  if (name == nullptr) return;
  const int fd = ::open(name, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  if (::ftruncate(fd, sizeof(Slot) * kSlots) == 0) {
    void* mapped =
        ::mmap(nullptr, sizeof(Slot) * kSlots, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED) slots = static_cast<Slot*>(mapped);
  }
  ::close(fd);
}

Slot& slot() {
  if (mine != nullptr) return *mine;
  if (slots == nullptr) return uncounted;
  const std::size_t index = slots_taken.fetch_add(1, std::memory_order_relaxed);
  mine = index < kSlots ? &slots[index] : &uncounted;
  mine->thread = ::syscall(SYS_gettid);
  return *mine;
}

void count(std::size_t bytes) {
  Slot& of = slot();
  ++of.allocations;
  of.bytes += bytes;
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) {
  count(size);
  return __libc_malloc(size);
}

void* calloc(std::size_t number, std::size_t size) {
  count(number * size);
  return __libc_calloc(number, size);
}

void* realloc(void* block, std::size_t size) {
  count(size);
  return __libc_realloc(block, size);
}

void* memalign(std::size_t alignment, std::size_t size) {
  count(size);
  return __libc_memalign(alignment, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return memalign(alignment, size);
}

int posix_memalign(void** into, std::size_t alignment, std::size_t size) {
  void* block = memalign(alignment, size);
  if (block == nullptr) return ENOMEM;
  *into = block;
  return 0;
}

void free(void* block) {
  if (block != nullptr) ++slot().frees;
  __libc_free(block);
}

}  // extern "C"
