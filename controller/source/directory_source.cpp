#include "controller/source/directory_source.hpp"

#include <dirent.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "common/directory_watch.hpp"
#include "common/file_io.hpp"
#include "common/limits.hpp"
#include "common/log.hpp"
#include "controller/source/manifest_set.hpp"

namespace toyou::source {

namespace {

using Steady = std::chrono::steady_clock;

constexpr std::uint32_t kEvents = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM |
                                  IN_MOVED_TO | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF |
                                  IN_MOVE_SELF;

bool is_manifest_name(std::string_view name) {
  return !name.starts_with('.') &&
         (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

// Of editors, and of whoever writes a file elsewhere before it is renamed. Not "..data", which the
// kubelet renames to change all files of a volume at once.
bool is_private_name(std::string_view name) {
  return name.starts_with('.') && !name.starts_with("..");
}

// Tells two contents of a path apart without reading them.
struct Fingerprint {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = -1;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  bool regular = false;
  bool operator==(const Fingerprint&) const = default;
};

std::int64_t nanoseconds(const timespec& t) {
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

std::optional<Fingerprint> fingerprint(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return Fingerprint{info.st_dev,
                     info.st_ino,
                     info.st_size,
                     nanoseconds(info.st_mtim),
                     nanoseconds(info.st_ctim),
                     S_ISREG(info.st_mode)};
}

// Manifest names with what they are now. A dangling symlink is as if absent.
Result<std::map<std::string, Fingerprint>> list_manifests(const std::string& directory) {
  DIR* opened = ::opendir(directory.c_str());
  if (opened == nullptr) return fail(ErrorKind::Io, std::strerror(errno), directory);
  std::map<std::string, Fingerprint> found;
  while (const dirent* entry = ::readdir(opened)) {
    const std::string name = entry->d_name;
    if (!is_manifest_name(name)) continue;
    if (const auto print = fingerprint(directory + "/" + name)) found.emplace(name, *print);
  }
  ::closedir(opened);
  return found;
}

// The state of the directory as we know it, and when to look again. Used by the source's thread.
class DirectoryFollower {
 public:
  DirectoryFollower(const DirectoryOptions& options, Sink& sink)
      : options_(options), sink_(sink), events_(options.waits) {}

  void start(Steady::time_point now) {
    watch_again();
    scan(now);
  }

  [[nodiscard]] int fd() const { return watch_ ? watch_->fd() : -1; }

  void read_events(Steady::time_point now) {
    if (!watch_) return;
    for (const DirectoryEvent& event : watch_->read()) note(event, now);
  }

  void scan_if_due(Steady::time_point now) {
    if (now < next_scan()) return;
    if (now >= last_scan_ + options_.poll) watch_if_swapped();
    scan(now);
  }

  [[nodiscard]] Steady::time_point next_scan() const {
    Steady::time_point next = last_scan_ + options_.poll;
    if (const auto due = events_.due()) next = std::min(next, *due);
    for (const auto& [name, since] : writing_) next = std::min(next, since + patience(name));
    for (const auto& [name, known] : known_) {
      if (known.missing_since) next = std::min(next, *known.missing_since + options_.removal_grace);
    }
    return next;
  }

 private:
  struct Known {
    Fingerprint print;
    std::optional<Steady::time_point> missing_since;
  };

  [[nodiscard]] std::string path_of(const std::string& name) const {
    return options_.directory + "/" + name;
  }

  [[nodiscard]] Millis patience(const std::string& name) const {
    return known_.contains(name) ? options_.unclosed_known : options_.unclosed_new;
  }

  void note(const DirectoryEvent& event, Steady::time_point now) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
      writing_.clear();
      for (auto& [name, known] : known_) dirty_.insert(name);
    }
    if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0) watch_.reset();
    if (is_manifest_name(event.name)) {
      if ((event.mask & (IN_CREATE | IN_MODIFY)) != 0) {
        writing_[event.name] = now;
        return;  // there is nothing to be read before it is closed
      }
      if ((event.mask & IN_ATTRIB) == 0) writing_.erase(event.name);
      dirty_.insert(event.name);
    } else if (is_private_name(event.name)) {
      return;
    }
    events_.note(now);
  }

  void watch_again() {
    auto watch = DirectoryWatch::open(options_.directory, kEvents);
    watched_ = fingerprint(options_.directory);
    if (watch) {
      watch_ = std::move(*watch);
    } else {
      watch_.reset();  // the poll goes on, and says what is wrong with the directory
    }
  }

  // A watch follows the inode: when the path means another directory now, nothing would be heard.
  void watch_if_swapped() {
    const auto now = fingerprint(options_.directory);
    const bool same =
        now && watched_ && now->inode == watched_->inode && now->device == watched_->device;
    if (!watch_ || !same) watch_again();
  }

  void scan(Steady::time_point now) {
    last_scan_ = now;
    events_.act();
    const auto found = list_manifests(options_.directory);
    if (!found) {
      watch_.reset();
      set_.set_unreadable(options_.directory, {options_.directory, 0, "", found.error().message});
    } else {
      set_.remove(options_.directory);
      for (const auto& [name, print] : *found) look_at(name, print, now);
      drop_missing(*found, now);
    }
    set_.report(sink_);
  }

  void look_at(const std::string& name, const Fingerprint& print, Steady::time_point now) {
    const auto known = known_.find(name);
    if (known != known_.end()) known->second.missing_since.reset();
    if (const auto writing = writing_.find(name); writing != writing_.end()) {
      if (now < writing->second + patience(name)) return;
      writing_.erase(writing);
      dirty_.insert(name);
    }
    const bool dirty = dirty_.erase(name) > 0;
    if (!dirty && known != known_.end() && known->second.print == print) return;
    known_[name] = Known{print, std::nullopt};
    load(path_of(name), print);
  }

  void load(const std::string& path, const Fingerprint& print) {
    if (!print.regular) {
      set_.set_unreadable(path, {path, 0, "", "not a regular file"});
      return;
    }
    const auto text = read_file(path, limits::kManifestFileBytes);
    if (!text) {
      set_.set_unreadable(path, {path, 0, "", text.error().message});
      return;
    }
    auto manifest = parse_manifest(*text, path);
    if (manifest) {
      set_.set(path, std::move(*manifest));
    } else {
      set_.set_unreadable(path, std::move(manifest.error()));
    }
  }

  void drop_missing(const std::map<std::string, Fingerprint>& found, Steady::time_point now) {
    for (auto it = known_.begin(); it != known_.end();) {
      Known& known = it->second;
      if (found.contains(it->first)) {
        ++it;
      } else if (!known.missing_since) {
        known.missing_since = now;
        ++it;
      } else if (now < *known.missing_since + options_.removal_grace) {
        ++it;
      } else {
        set_.remove(path_of(it->first));
        it = known_.erase(it);
      }
    }
    // What was noted about files that are not there (any more) would never be looked at.
    std::erase_if(writing_, [&](const auto& entry) { return !found.contains(entry.first); });
    std::erase_if(dirty_, [&](const std::string& name) {
      return !found.contains(name) && !known_.contains(name);
    });
  }

  const DirectoryOptions& options_;
  Sink& sink_;
  ManifestSet set_;
  std::optional<DirectoryWatch> watch_;
  std::optional<Fingerprint> watched_;
  std::map<std::string, Known> known_;
  std::map<std::string, Steady::time_point> writing_;  // open for writing, by its last event
  std::set<std::string> dirty_;                        // to be read whatever the fingerprint says
  Debounce events_;                                    // since the last scan
  Steady::time_point last_scan_;
};

class DirectorySource final : public Source {
 public:
  explicit DirectorySource(DirectoryOptions options)
      : options_(std::move(options)), stop_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    TOYOU_ASSERT(stop_);
  }
  ~DirectorySource() override { stop(); }
  DirectorySource(const DirectorySource&) = delete;
  DirectorySource& operator=(const DirectorySource&) = delete;

  void start(Sink& sink) override {
    thread_ = std::thread([this, &sink] { run(sink); });
  }

  void stop() override {
    if (!thread_.joinable()) return;
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }

 private:
  void run(Sink& sink) {
    DirectoryFollower follower(options_, sink);
    follower.start(Steady::now());
    sink.synced();
    while (!wait_stopped(follower)) {
      const auto now = Steady::now();
      follower.read_events(now);
      follower.scan_if_due(now);
    }
  }

  // Until there are events, a scan is due, or the source stops (true).
  bool wait_stopped(const DirectoryFollower& follower) const {
    const auto left = std::chrono::ceil<Millis>(follower.next_scan() - Steady::now());
    pollfd waits[2] = {{stop_.get(), POLLIN, 0}, {follower.fd(), POLLIN, 0}};
    ::poll(waits, 2, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000)));
    return (waits[0].revents & POLLIN) != 0;
  }

  const DirectoryOptions options_;
  OwnedFd stop_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Source> make_directory_source(DirectoryOptions options) {
  return std::make_unique<DirectorySource>(std::move(options));
}

}  // namespace toyou::source
