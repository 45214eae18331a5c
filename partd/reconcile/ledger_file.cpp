#include "reconcile/ledger_file.h"

#include "base/text.h"
#include "kernel/files.h"

#include <array>

#include <fmt/format.h>
#include <systemd/sd-id128.h>

namespace partd {

namespace {

constexpr std::string_view kHeader = "partd-ledger 1 ";
constexpr std::string_view kEnd = "end ";

using Milliseconds = std::chrono::milliseconds;

std::string current_boot() {
    sd_id128_t id{};
    std::array<char, SD_ID128_STRING_MAX> text{};
    return sd_id128_get_boot(&id) < 0 ? "unknown" : sd_id128_to_string(id, text.data());
}

std::string last_line(std::string_view body, std::size_t count) {
    return fmt::format("{}{} {:016x}\n", kEnd, count, fnv1a(body));
}

std::optional<LedgerEntry> decode_entry(const std::vector<std::string_view>& parts) {
    const auto since = parts.size() == 5 ? parse_number(parts[3]) : std::nullopt;
    if (!since) {
        return std::nullopt;
    }
    const auto time = std::chrono::system_clock::time_point(Milliseconds(*since));
    return LedgerEntry{.identity = std::string(parts[4]), .owner = std::string(parts[2]), .since = time};
}

}  // namespace

std::string encode_ledger(const Ledger& ledger, std::string_view boot_id) {
    std::string text = fmt::format("{}{}\n", kHeader, boot_id);
    for (const auto& [key, entry] : ledger.entries) {
        const auto since = std::chrono::duration_cast<Milliseconds>(entry.since.time_since_epoch()).count();
        text +=
            fmt::format("{}\t{}\t{}\t{}\t{}\n", key.first, key.second, entry.owner, since, entry.identity);
    }
    return text + last_line(text, ledger.entries.size());
}

Ledger decode_ledger(std::string_view text, std::string_view boot_id) {
    Ledger lost{.lost = true, .entries = {}};
    const std::size_t end = text.rfind(kEnd);
    if (!text.starts_with(fmt::format("{}{}\n", kHeader, boot_id)) || end == std::string_view::npos) {
        return lost;
    }
    Ledger ledger;
    const std::string_view body = text.substr(0, end);
    const auto lines = split(body, '\n');
    for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
        const auto parts = split(lines[i], '\t');
        auto entry = decode_entry(parts);
        if (!entry) {
            return lost;
        }
        ledger.entries.emplace(std::pair(std::string(parts[0]), std::string(parts[1])), std::move(*entry));
    }
    return text.substr(end) == last_line(body, ledger.entries.size()) ? ledger : lost;
}

Ledger read_ledger(const std::string& path) {
    return decode_ledger(kernel::read_file(path).value_or(""), current_boot());
}

Result<> write_ledger(const std::string& path, const Ledger& ledger) {
    return kernel::write_atomically(path, encode_ledger(ledger, current_boot()), 0600);
}

}  // namespace partd
