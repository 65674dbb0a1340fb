#pragma once

namespace toyou {

// Opens /dev/null in the place of standard input, output and error where the caller has closed
// them: else the first socket or file of ours would get their numbers, and our log lines. First
// thing in main().
void open_standard_files();

}  // namespace toyou
