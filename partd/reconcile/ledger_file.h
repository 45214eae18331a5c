#pragma once

#include "base/error.h"
#include "model/ledger.h"

#include <string>
#include <string_view>

namespace partd {

// The ledger as text: a header with the boot's id, a line an object, a last line with a count and a checksum,
// so that a file that was cut anywhere is recognised.
std::string encode_ledger(const Ledger& ledger, std::string_view boot_id);
// A text that is damaged or from another boot gives an empty ledger that is `lost`.
Ledger decode_ledger(std::string_view text, std::string_view boot_id);

// The same from and to a file in /run, which lives as long as the kernel's objects do.
Ledger read_ledger(const std::string& path);
Result<> write_ledger(const std::string& path, const Ledger& ledger);

}  // namespace partd
