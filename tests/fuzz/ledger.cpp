// SPDX-License-Identifier: Apache-2.0
// The ledger, generations, files and JSON that partd wrote, after somebody changed them.

#include "base/text.h"
#include "base/value.h"
#include "fuzz.h"
#include "reconcile/history.h"
#include "reconcile/ledger_file.h"

using namespace partd;

namespace {

void read_ledger(std::string_view text) {
    // "partd-ledger 2 BOOT": of whatever boot it says
    const auto head = words(text.substr(0, text.find('\n')));
    const auto read = decode_ledger(text, head.empty() ? "" : head.back(), 0);
    fuzz::require(read.size <= text.size(), "a ledger ends within its text");
    if (!read.ledger.lost) {
        const auto again = encode_ledger(read.ledger, "boot");
        fuzz::require(decode_ledger(again, "boot", again.size()).ledger == read.ledger,
                      "a ledger is read as it is written");
    }
}

/// The checksum makes a text that somebody changed worthless; entries of any content have to come back. Names
/// and identities never have a control character: it is refused in files, and a mark with one is none.
std::string word(fuzz::Bytes& bytes) {
    std::string text(fuzz::as_text(bytes.counted()));
    std::erase_if(text, [](char each) { return static_cast<unsigned char>(each) < 0x20; });
    return text;
}

void write_ledger(fuzz::Bytes bytes) {
    Ledger ledger;
    while (!bytes.empty()) {
        const std::string kind =
            "new " + word(bytes);  // a former version's, like "veth", gets its present name
        const std::string name = word(bytes);
        ledger.set({kind, name}, {.identity = word(bytes), .owner = word(bytes), .since = {}});
    }
    const auto text = encode_ledger(ledger, "boot");
    const auto read = decode_ledger(text, "boot", text.size());
    fuzz::require(!read.ledger.lost, "a ledger that was written can be read");
    fuzz::require(read.ledger == ledger, "a ledger is read as it was written");
}

void read_history(std::string_view text) {
    if (const auto read = decode_generation(text)) {
        const auto again = decode_generation(encode_generation(*read));
        fuzz::require(again && again->number == read->number && again->files.size() == read->files.size(),
                      "a generation is read as it is written");
    }
    const auto files = decode_files(text).value_or(std::vector<TextFile>());
    const auto again = decode_files(encode_files(files)).value_or(std::vector<TextFile>());
    fuzz::require(again.size() == files.size(), "files are read as they are written");
    for (std::size_t i = 0; i < files.size(); ++i) {
        fuzz::require(again[i].text == files[i].text, "a file's text is read as it is written");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::as_text({data, size});
    read_ledger(text);
    write_ledger(fuzz::Bytes({data, size}));
    read_history(text);
    if (const auto value = from_json(text)) {
        const auto again = from_json(to_json(*value));
        fuzz::require(again && to_json(*again) == to_json(*value), "JSON is read as it is written");
    }
    return 0;
}
