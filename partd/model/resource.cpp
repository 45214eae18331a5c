#include "model/resource.h"

#include "base/diagnostics.h"
#include "model/kind.h"

namespace partd {

std::string Key::text() const {
    return std::string(kind->name) + " " + name;
}

Spec Spec::with(const Field& field, const Value& value) const {
    Spec changed = *this;
    const auto data = copy_(data_.get());
    Diagnostics problems;
    if (field.read != nullptr && field.read(value, data.get(), problems) && problems.empty()) {
        changed.data_ = data;
    }
    return changed;
}

Resource& State::add(Resource resource) {
    const auto [entry, added] = index_.try_emplace(resource.key, resources_.size());
    if (added) {
        resources_.push_back(std::move(resource));
    }
    return resources_[entry->second];
}

const Resource* State::find(const Key& key) const {
    const auto entry = index_.find(key);
    return entry == index_.end() ? nullptr : &resources_[entry->second];
}

Resource* State::find(const Key& key) {
    return const_cast<Resource*>(std::as_const(*this).find(key));
}

}  // namespace partd
