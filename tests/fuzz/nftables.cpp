// Replies of nf_tables: the table's chains, sets, rules and elements, and what is shown of them.

#include "kernel/nftables.h"

#include "fuzz.h"
#include "kernel_words.h"
#include "kinds/nat/layout.h"

using namespace partd;
using namespace partd::kernel;

namespace {

using Datagrams = std::vector<std::vector<std::uint8_t>>;

void read_elements(nft::Nftables& nftables) {
    for (const char* set :
         {"inside", "reach", "masq4_24", "back6_64", "fwd4_0", "fwdto6_48", "snatout4_16", "other"}) {
        const auto found = nftables.elements("partd", set);
        std::set<nft::Element> elements;
        for (const auto& stored : found ? *found : std::vector<nft::StoredElement>()) {
            nat::element_text(stored.element);
            nat::forward_of(stored.element);
            elements.insert(stored.element);
        }
        nat::elements_text(elements);
    }
}

void commit(nft::Nftables& nftables) {
    nft::Transaction transaction("partd");
    transaction.add_table(1, "partd");
    transaction.remove_set(2, "masq4_24");
    const auto refusal = nftables.commit(transaction);
    fuzz::require(!refusal || refusal->tag == 1 || refusal->tag == 2, "a refusal names one of the changes");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static auto nftables = nft::Nftables::open();
    fuzz::require(nftables.has_value(), "nftables can be asked");
    const auto datagrams = fuzz::datagrams_of({data, size});
    fuzz::answer_with(datagrams);
    fuzz::survive_exit([] { (void)nftables->look("partd"); });
    fuzz::answer_with(datagrams);
    fuzz::survive_exit([] { read_elements(*nftables); });
    fuzz::answer_with(datagrams);
    fuzz::survive_exit([] { commit(*nftables); });
    return 0;
}
