// SPDX-License-Identifier: Apache-2.0
#include "genes.h"

namespace partd::test {
namespace {

constexpr int kStream = 24;
constexpr int kSlots = 4;
constexpr int kLinks = 3;
constexpr int kRoutes = 4;
constexpr int kFew = 3;
constexpr int kDamages = 5;

rc::Gen<std::uint8_t> byte() {
    // of any size from the first case on: 0 is the simple choice, but not the usual one
    return rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<std::uint8_t>());
}

rc::Gen<Stream> stream() {
    return rc::gen::resize(kStream, rc::gen::container<Stream>(byte()));
}

template <typename T>
rc::Gen<std::vector<T>> up_to(int most, rc::Gen<T> each) {
    return rc::gen::resize(most, rc::gen::container<std::vector<T>>(std::move(each)));
}

rc::Gen<PartitionGenes> partition_genes() {
    return rc::gen::build<PartitionGenes>(rc::gen::set(&PartitionGenes::head, stream()),
                                          rc::gen::set(&PartitionGenes::links, up_to(kLinks, stream())),
                                          rc::gen::set(&PartitionGenes::routes, up_to(kRoutes, stream())),
                                          rc::gen::set(&PartitionGenes::rules, up_to(kFew, stream())),
                                          rc::gen::set(&PartitionGenes::forwards, up_to(kFew, stream())),
                                          rc::gen::set(&PartitionGenes::nat, stream()),
                                          rc::gen::set(&PartitionGenes::limits, stream()),
                                          rc::gen::set(&PartitionGenes::rest, stream()));
}

rc::Gen<Slot> slot() {
    return rc::gen::build<Slot>(rc::gen::set(&Slot::presence, byte()), rc::gen::set(&Slot::name, byte()),
                                rc::gen::set(&Slot::changed, byte()),
                                rc::gen::set(&Slot::before, partition_genes()),
                                rc::gen::set(&Slot::after, partition_genes()));
}

rc::Gen<Damage> damage() {
    return rc::gen::build<Damage>(rc::gen::set(&Damage::kind, byte()), rc::gen::set(&Damage::target, byte()),
                                  rc::gen::set(&Damage::detail, byte()));
}

}  // namespace

rc::Gen<Case> arbitrary_case() {
    return rc::gen::build<Case>(
        rc::gen::set(&Case::slots, up_to(kSlots, slot())), rc::gen::set(&Case::slices_before, stream()),
        rc::gen::set(&Case::slices_after, stream()), rc::gen::set(&Case::damages, up_to(kDamages, damage())));
}

}  // namespace partd::test
