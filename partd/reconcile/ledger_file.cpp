// SPDX-License-Identifier: Apache-2.0
#include "reconcile/ledger_file.h"

#include "base/text.h"
#include "kernel/clock.h"
#include "kernel/file/files.h"
#include "kinds/kinds.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr std::string_view kLedgerHeader = "partd-ledger 2 ";
constexpr std::string_view kEnd = "end ";
// How long the file is at least.
constexpr char kSizeMark[] = "trusted.partd.size";
// A file that grew so much beyond its first block is written anew.
constexpr std::size_t kMostGrowth = 2;
constexpr std::size_t kSmall = 16384;

using Milliseconds = std::chrono::milliseconds;

std::string header(std::string_view boot_id) {
    return fmt::format("{}{}\n", kLedgerHeader, boot_id);
}

std::string check_of(std::string_view before, std::string_view body) {
    return fmt::format("{:016x}", fnv1a(std::string(before) + std::string(body)));
}

std::string end_line(std::size_t count, std::string_view check) {
    return fmt::format("{}{} {}\n", kEnd, count, check);
}

void encode_set(std::string& text, Ledger::NameView name, const LedgerEntry& entry) {
    const auto since = std::chrono::duration_cast<Milliseconds>(entry.since.time_since_epoch()).count();
    fmt::format_to(std::back_inserter(text), "+\t{}\t{}\t{}\t{}\t{}\n", name.first, name.second, entry.owner,
                   since, entry.identity);
}

// The name by which the resource is known now.
Ledger::Name current_name(std::string_view kind, std::string_view name) {
    for (const Kind* each : pure_kinds()) {
        if (auto now = each->former == nullptr ? std::nullopt : each->former(kind, name)) {
            return {std::string(each->name), std::move(*now)};
        }
    }
    return {std::string(kind), std::string(name)};
}

// nullopt when the line is none of ours.
std::optional<LedgerEdit> decode_edit(std::string_view line) {
    const auto parts = split(line, '\t');
    if (parts.size() == 3 && parts[0] == "-") {
        return LedgerEdit{current_name(parts[1], parts[2]), std::nullopt};
    }
    const auto since = parts.size() == 6 && parts[0] == "+" ? kernel::parse_time(parts[4]) : std::nullopt;
    if (!since) {
        return std::nullopt;
    }
    return LedgerEdit{
        current_name(parts[1], parts[2]),
        LedgerEntry{.identity = std::string(parts[5]), .owner = std::string(parts[3]), .since = *since}};
}

// True if the line is about an object of these owners, is about one in the ledger, or cannot be read.
bool concerns(std::string_view line, const std::set<std::string>& owners, const Ledger& ledger) {
    const auto parts = split(line, '\t');
    return parts.size() != 6 || owners.contains(std::string(parts[3])) ||
           ledger.find({parts[1], parts[2]}) != nullptr;
}

void carry_out(std::vector<LedgerEdit>& edits, Ledger& ledger) {
    for (LedgerEdit& edit : edits) {
        if (edit.entry) {
            ledger.set(edit.name, std::move(*edit.entry));
        } else {
            ledger.erase(edit.name);
        }
    }
    edits.clear();
}

}  // namespace

std::string encode_ledger(const Ledger& ledger, std::string_view boot_id) {
    std::string text = header(boot_id);
    ledger.for_all([&](Ledger::NameView name, const LedgerEntry& entry) { encode_set(text, name, entry); });
    return text + end_line(ledger.size(), check_of("", text));
}

std::string encode_edits(const std::vector<LedgerEdit>& edits, std::string& check) {
    std::string text;
    for (const LedgerEdit& edit : edits) {
        if (edit.entry) {
            encode_set(text, edit.name, *edit.entry);
        } else {
            fmt::format_to(std::back_inserter(text), "-\t{}\t{}\n", edit.name.first, edit.name.second);
        }
    }
    check = check_of(check, text);
    return text + end_line(edits.size(), check);
}

DecodedLedger decode_ledger(std::string_view text, std::string_view boot_id, std::size_t size,
                            const std::set<std::string>* owners) {
    const std::string first = header(boot_id);
    if (!text.starts_with(first)) {
        return {};
    }
    DecodedLedger decoded;
    std::vector<LedgerEdit> edits;  // of the block that is being read
    std::size_t lines = 0;          // of the block
    std::size_t begin = 0;          // of the block
    for (std::size_t at = first.size(), end = 0; (end = text.find('\n', at)) != std::string_view::npos;
         at = end + 1) {
        if (!text.substr(at, end - at).starts_with(kEnd)) {
            const std::string_view line = text.substr(at, end - at);
            ++lines;
            if (owners != nullptr && !concerns(line, *owners, decoded.ledger)) {
                continue;
            }
            auto edit = decode_edit(line);
            if (!edit) {
                break;
            }
            if (owners != nullptr && edit->entry && !owners->contains(edit->entry->owner)) {
                edit->entry.reset();
            }
            edits.push_back(std::move(*edit));
            continue;
        }
        const std::string check = check_of(decoded.check, text.substr(begin, at - begin));
        if (text.substr(at, end + 1 - at) != end_line(lines, check)) {
            break;
        }
        begin = end + 1;
        lines = 0;
        carry_out(edits, decoded.ledger);
        decoded.ledger.lost = false;
        decoded.size = begin;
        decoded.check = check;
    }
    return decoded.size > 0 && decoded.size >= size ? std::move(decoded) : DecodedLedger();
}

Result<> LedgerFile::decode(const std::set<std::string>* owners) {
    const auto text = kernel::read_if_there(path_);
    PARTD_TRY(text);
    edits_.clear();
    const auto noted = parse_number(kernel::get_xattr(path_, kSizeMark));
    auto decoded = decode_ledger(*text, kernel::boot_id(), noted.value_or(text->size()), owners);
    ledger_ = std::move(decoded.ledger);
    check_ = std::move(decoded.check);
    size_ = decoded.size;
    // 0: nothing can be appended, so the next write replaces the whole file.
    first_size_ = noted && decoded.size == text->size() ? size_ : 0;
    return {};
}

Result<> LedgerFile::read() {
    const std::string stamp = kernel::file_stamp(path_);
    if (stamp.empty() || stamp != stamp_) {
        PARTD_TRY(decode(nullptr));
        stamp_ = stamp;
    }
    return {};
}

Result<> LedgerFile::read_of(const std::set<std::string>& owners) {
    return stamp_.empty() ? decode(&owners) : read();
}

void LedgerFile::set(Ledger::NameView name, LedgerEntry entry) {
    if (ledger_.set(name, entry)) {
        edits_.push_back({Ledger::Name(name), std::move(entry)});
    }
}

void LedgerFile::erase(Ledger::NameView name) {
    Ledger::Name gone(name);  // it may be the ledger's own
    if (ledger_.erase(gone)) {
        edits_.push_back({std::move(gone), std::nullopt});
    }
}

Result<> LedgerFile::commit() {
    if (edits_.empty() && !ledger_.lost) {
        return {};
    }
    ledger_.lost = false;
    const bool small = size_ < first_size_ * kMostGrowth + kSmall && edits_.size() < ledger_.size();
    if (first_size_ == 0 || !small || !append()) {
        PARTD_TRY(rewrite());
    }
    edits_ = std::vector<LedgerEdit>();  // its memory goes, too: after the first run it is much
    stamp_ = kernel::file_stamp(path_);
    return {};
}

Result<> LedgerFile::append() {
    const std::string text = encode_edits(edits_, check_);
    PARTD_TRY(kernel::append_file(path_, text));
    size_ += text.size();
    return kernel::set_xattr(path_, kSizeMark, std::to_string(size_));
}

Result<> LedgerFile::rewrite() {
    const std::string text = encode_ledger(ledger_, kernel::boot_id());
    first_size_ = 0;  // whatever fails below, the next one is written as a whole
    PARTD_TRY(kernel::write_atomically(path_, text, 0600));
    check_ = check_of("", std::string_view(text).substr(0, text.rfind(kEnd)));
    size_ = text.size();
    if (kernel::set_xattr(path_, kSizeMark, std::to_string(size_))) {
        first_size_ = size_;
    }
    return {};
}

}  // namespace partd
