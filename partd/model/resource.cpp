// SPDX-License-Identifier: Apache-2.0
#include "model/resource.h"

#include "base/diagnostics.h"
#include "model/kind.h"

#include <algorithm>
#include <utility>

namespace partd {

std::string Key::text() const {
    return std::string(kind->name) + " " + name;
}

Spec Spec::with(const Field& field, const Value& value) const {
    Spec changed = *this;
    const auto data = does_->copy(data_.get());
    Diagnostics problems;
    if (field.read != nullptr && field.read(value, data.get(), problems) && problems.empty()) {
        changed.data_ = data;
    }
    return changed;
}

namespace {

std::uint32_t hash_of(const Key& key) {
    return static_cast<std::uint32_t>(KeyHash()(key));
}

}  // namespace

// The slot with that key, or the free one where it belongs; there is one.
std::size_t State::slot_of(const Key& key, std::uint32_t hash) const {
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at].place != 0 &&
           (slots_[at].hash != hash || resources_[slots_[at].place - 1].key != key)) {
        at = (at + 1) & (slots_.size() - 1);
    }
    return at;
}

void State::grow() {
    constexpr std::size_t kFirst = 64;
    const auto old = std::exchange(slots_, std::vector<Slot>(std::max(kFirst, slots_.size() * 2)));
    for (const Slot& slot : old) {
        if (slot.place != 0) {
            slots_[slot_of(resources_[slot.place - 1].key, slot.hash)] = slot;
        }
    }
}

Resource& State::add(Resource resource) {
    if (resources_.size() * 2 >= slots_.size()) {
        grow();
    }
    const std::uint32_t hash = hash_of(resource.key);
    Slot& slot = slots_[slot_of(resource.key, hash)];
    if (slot.place == 0) {
        resources_.push_back(std::move(resource));
        slot = {.hash = hash, .place = static_cast<std::uint32_t>(resources_.size())};
    }
    return resources_[slot.place - 1];
}

void State::erase(std::span<const Key> keys) {
    std::vector<std::uint32_t> gone;  // places
    for (const Key& key : keys) {
        const std::uint32_t place = slots_.empty() ? 0 : slots_[slot_of(key, hash_of(key))].place;
        if (place != 0) {
            gone.push_back(place);
        }
    }
    std::ranges::sort(gone);
    gone.erase(std::unique(gone.begin(), gone.end()), gone.end());
    std::uint32_t place = 0;
    std::erase_if(resources_, [&](const Resource&) { return std::ranges::binary_search(gone, ++place); });
    for (const Slot& slot : std::exchange(slots_, std::vector<Slot>(slots_.size()))) {
        const auto before = std::ranges::lower_bound(gone, slot.place);
        if (slot.place != 0 && (before == gone.end() || *before != slot.place)) {
            std::size_t at = slot.hash & (slots_.size() - 1);
            while (slots_[at].place != 0) {
                at = (at + 1) & (slots_.size() - 1);
            }
            slots_[at] = {.hash = slot.hash,
                          .place = slot.place - static_cast<std::uint32_t>(before - gone.begin())};
        }
    }
}

const Resource* State::find(const Key& key) const {
    if (slots_.empty()) {
        return nullptr;
    }
    const Slot& slot = slots_[slot_of(key, hash_of(key))];
    return slot.place == 0 ? nullptr : &resources_[slot.place - 1];
}

Resource* State::find(const Key& key) {
    return const_cast<Resource*>(std::as_const(*this).find(key));
}

}  // namespace partd
