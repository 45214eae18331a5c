// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "model/ledger.h"

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace partd {

// One object that came, changed or (nullopt) went.
struct LedgerEdit {
    Ledger::Name name;
    std::optional<LedgerEntry> entry;
};

// The ledger as text: a header with the boot's id, then blocks of lines, a line an edit. Each block ends with
// the number of its lines and a checksum over all that came before, so that a damaged text is recognised.
std::string encode_ledger(const Ledger& ledger, std::string_view boot_id);
// A further block behind a text that ended with that checksum; `check` becomes the new one.
std::string encode_edits(const std::vector<LedgerEdit>& edits, std::string& check);

inline Ledger lost_ledger() {
    Ledger ledger;
    ledger.lost = true;
    return ledger;
}

struct DecodedLedger {
    Ledger ledger = lost_ledger();
    std::size_t size = 0;  // of the text up to its last whole block
    std::string check = {};
};
// Returns a `lost` ledger if fewer than `size` bytes are whole or the text is of another boot. Text after the
// last whole block was left by a writer that was killed, and never took effect. With `owners` it has only
// what these own.
DecodedLedger decode_ledger(std::string_view text, std::string_view boot_id, std::size_t size,
                            const std::set<std::string>* owners = nullptr);

// The ledger in a file in /run, which lives as long as the kernel's objects do. A few edits among thousands
// of entries cost a few bytes. The file's least length is an extended attribute of it.
class LedgerFile {
public:
    explicit LedgerFile(std::string path) : path_(std::move(path)) {}

    // Reads it again if somebody else wrote it; one that is not there is lost.
    Result<> read();
    // As read(), for a look: where nothing was read before, only what these owners have.
    Result<> read_of(const std::set<std::string>& owners);
    [[nodiscard]] const Ledger& get() const { return ledger_; }

    void set(Ledger::NameView name, LedgerEntry entry);
    void erase(Ledger::NameView name);
    // Writes what was set and erased since the last time, if anything was.
    Result<> commit();

private:
    Result<> decode(const std::set<std::string>* owners);
    Result<> append();
    Result<> rewrite();

    std::string path_;
    std::string stamp_;  // of the file as last read or written
    Ledger ledger_ = lost_ledger();
    std::vector<LedgerEdit> edits_;
    std::size_t size_ = 0;        // of the file
    std::size_t first_size_ = 0;  // of its first block
    std::string check_;
};

}  // namespace partd
