#include "common/flags.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include "common/duration.hpp"

namespace toyou::flags {

namespace {

constexpr std::size_t kHelpColumn = 36;

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string all;
  for (const std::string& part : parts) {
    if (!all.empty()) all += separator;
    all += part;
  }
  return all;
}

// Whatever a user typed into a flag must not break the promise of one line.
std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return line;
}

Result<std::uint64_t> parse_number(const std::string& text, std::uint64_t min, std::uint64_t max) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end || value < min || value > max) {
    return fail(ErrorKind::Invalid, "must be a whole number from " + std::to_string(min) + " to " +
                                        std::to_string(max) + ", not '" + text + "'");
  }
  return value;
}

// Our words for CLI11's errors.
std::string explain(const CLI::ParseError& error) {
  std::string text = error.what();
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    return "unknown flag or argument" + text.substr(std::min(text.find(':'), text.size()));
  }
  if (text.find(": At Most 1 ") != std::string::npos) {
    return text.substr(0, text.find(": At Most")) + " is given more than once";
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    return text.substr(0, text.find(':')) + " needs a value";
  }
  if (text.starts_with("A subcommand")) return "a command is required";
  return text;
}

}  // namespace

Flag& Flag::required() {
  static_cast<CLI::Option*>(option_)->required();
  return *this;
}

struct Parser::Impl {
  CLI::App* app = nullptr;
  std::unique_ptr<CLI::App> owned;  // of the program itself; a command's belongs to its parent
  std::string program;
  std::vector<std::unique_ptr<Parser>> commands;

  void set_up(const std::string& program_name) {
    program = program_name;
    app->get_formatter()->column_width(kHelpColumn);
    app->set_help_flag("-h,--help", "Print this help and exit");
    app->allow_extras(false);
  }

  CLI::Option* add(std::string_view name, std::string_view placeholder, std::string_view help,
                   std::string_view shown_default,
                   std::function<Result<void>(const std::string&)> accept) {
    const std::string label(name);
    CLI::callback_t callback = [label, accept = std::move(accept)](const CLI::results_t& values) {
      for (const std::string& value : values) {
        if (const auto accepted = accept(value); !accepted) {
          throw CLI::ValidationError(label, accepted.error().message);
        }
      }
      return true;
    };
    CLI::Option* option = app->add_option(label, callback, std::string(help));
    option->type_name(std::string(placeholder));
    if (!shown_default.empty()) option->default_str(std::string(shown_default));
    return option;
  }
};

Parser::Parser(const std::string& program, std::string description)
    : impl_(std::make_unique<Impl>()) {
  impl_->owned = std::make_unique<CLI::App>(std::move(description), program);
  impl_->app = impl_->owned.get();
  impl_->set_up(program);
  impl_->app->set_version_flag("--version", program + " " TOYOU_VERSION,
                               "Print the version and exit");
}

Parser::Parser(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Parser::Parser(Parser&&) noexcept = default;
Parser::~Parser() = default;

Flag Parser::text(std::string_view name, std::string& value, std::string_view placeholder,
                  std::string_view help) {
  return Flag(impl_->add(name, placeholder, help, value, [&value](const std::string& given) {
    if (given.empty()) return Result<void>(fail(ErrorKind::Invalid, "must not be empty"));
    value = given;
    return Result<void>();
  }));
}

Flag Parser::port(std::string_view name, std::uint16_t& value, std::string_view help) {
  return custom(name, "PORT", std::to_string(value), help,
                [&value](const std::string& given) -> Result<void> {
                  const auto number = parse_number(given, 0, 65'535);
                  if (!number) return tl::unexpected(number.error());
                  value = static_cast<std::uint16_t>(*number);
                  return {};
                });
}

Flag Parser::number(std::string_view name, std::uint64_t& value, std::uint64_t min,
                    std::uint64_t max, std::string_view help) {
  return custom(name, "N", std::to_string(value), help,
                [&value, min, max](const std::string& given) -> Result<void> {
                  const auto number = parse_number(given, min, max);
                  if (!number) return tl::unexpected(number.error());
                  value = *number;
                  return {};
                });
}

Flag Parser::number(std::string_view name, unsigned& value, unsigned min, unsigned max,
                    std::string_view help) {
  return custom(name, "N", std::to_string(value), help,
                [&value, min, max](const std::string& given) -> Result<void> {
                  const auto number = parse_number(given, min, max);
                  if (!number) return tl::unexpected(number.error());
                  value = static_cast<unsigned>(*number);
                  return {};
                });
}

Flag Parser::duration(std::string_view name, Millis& value, std::string_view help) {
  return custom(name, "DURATION", format_duration(value), help,
                [&value](const std::string& given) -> Result<void> {
                  const auto parsed = parse_duration(given);
                  if (!parsed) return tl::unexpected(parsed.error());
                  value = *parsed;
                  return {};
                });
}

Flag Parser::toggle(std::string_view name, bool& value, std::string_view help) {
  return Flag(impl_->app->add_flag_callback(
      std::string(name), [&value] { value = true; }, std::string(help)));
}

Flag Parser::list(std::string_view name, std::vector<std::string>& values,
                  std::string_view placeholder, std::string_view help) {
  CLI::Option* option =
      impl_->add(name, placeholder, help, joined(values, ","), [&values](const std::string& given) {
        std::size_t begin = 0;
        while (begin <= given.size()) {
          const std::size_t end = std::min(given.find(',', begin), given.size());
          if (end == begin) return Result<void>(fail(ErrorKind::Invalid, "has an empty element"));
          values.push_back(given.substr(begin, end - begin));
          begin = end + 1;
        }
        return Result<void>();
      });
  // One argument an occurrence, any number of occurrences.
  option->allow_extra_args(false)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return Flag(option);
}

Flag Parser::choice(std::string_view name, std::string& value, std::vector<std::string> allowed,
                    std::string_view help) {
  const std::string all = joined(allowed, "|");
  return custom(
      name, all, value, help,
      [&value, allowed = std::move(allowed), all](const std::string& given) -> Result<void> {
        if (std::find(allowed.begin(), allowed.end(), given) == allowed.end()) {
          return fail(ErrorKind::Invalid, "must be one of " + all + ", not '" + given + "'");
        }
        value = given;
        return {};
      });
}

Flag Parser::custom(std::string_view name, std::string_view placeholder,
                    std::string_view shown_default, std::string_view help,
                    std::function<Result<void>(const std::string&)> accept) {
  return Flag(impl_->add(name, placeholder, help, shown_default, std::move(accept)));
}

void Parser::log(log::Options& options) {
  custom("--log-level", "LEVEL", log::to_string(options.level),
         "trace, debug, info, warning, error or off",
         [&options](const std::string& given) -> Result<void> {
           const auto level = log::parse_level(given);
           if (!level) return tl::unexpected(level.error());
           options.level = *level;
           return {};
         });
  custom("--log-format", "text|json", options.format == log::Format::Json ? "json" : "text",
         "How log lines look", [&options](const std::string& given) -> Result<void> {
           const auto format = log::parse_format(given);
           if (!format) return tl::unexpected(format.error());
           options.format = *format;
           return {};
         });
}

Flag Parser::positional(std::string_view name, std::string& value, std::string_view help) {
  Flag flag = text(name, value, "", help);
  flag.required();
  return flag;
}

Parser& Parser::command(std::string_view name, std::string_view description) {
  auto impl = std::make_unique<Impl>();
  impl->app = impl_->app->add_subcommand(std::string(name), std::string(description));
  impl->set_up(impl_->program);
  impl_->app->require_subcommand(1);
  impl_->commands.push_back(std::unique_ptr<Parser>(new Parser(std::move(impl))));
  return *impl_->commands.back();
}

std::string Parser::chosen() const {
  const auto given = impl_->app->get_subcommands();
  return given.empty() ? std::string() : given.front()->get_name();
}

void Parser::footer(std::string_view text) {
  impl_->app->footer(std::string(text));
}

std::optional<int> Parser::parse(int argc, const char* const* argv) {
  try {
    impl_->app->parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    std::fputs(impl_->app->help().c_str(), stdout);
    return 0;
  } catch (const CLI::CallForVersion& version) {
    std::fprintf(stdout, "%s\n", version.what());
    return 0;
  } catch (const CLI::ParseError& error) {
    return refuse(explain(error));
  }
}

int Parser::refuse(std::string_view message) const {
  std::fprintf(stderr, "%s: %s (--help lists the flags)\n", impl_->program.c_str(),
               one_line(message).c_str());
  return kUsageStatus;
}

}  // namespace toyou::flags
