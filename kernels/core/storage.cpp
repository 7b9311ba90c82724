// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/cuda_backend.h"
#include "kernels/core/tensor.h"

#include <algorithm>
#include <new>
#include <string>

namespace lathe {

namespace {

/// Whole cache lines, and the alignment that Arena promises.
constexpr std::align_val_t kAlignment{256};

class HeapStorage final : public Storage {
public:
    explicit HeapStorage(std::size_t bytes)
        : m_data(static_cast<std::byte*>(
              ::operator new(std::max<std::size_t>(bytes, 1), kAlignment, std::nothrow))),
          m_bytes(bytes) {
        if (m_data == nullptr) {
            throw DeviceError("cpu: no memory for " + std::to_string(bytes) + " bytes");
        }
    }
    ~HeapStorage() override { ::operator delete(m_data, kAlignment); }
    HeapStorage(const HeapStorage&) = delete;
    HeapStorage& operator=(const HeapStorage&) = delete;

    std::byte* data() noexcept override { return m_data; }
    std::size_t bytes() const noexcept override { return m_bytes; }
    Device device() const noexcept override { return Device{}; }

private:
    std::byte* m_data;
    std::size_t m_bytes;
};

} // namespace

std::shared_ptr<Storage> Storage::allocate(std::size_t bytes, Device device) {
    if (device.isCuda()) {
        return cuda::allocate(bytes, device.index);
    }
    return std::make_shared<HeapStorage>(bytes);
}

} // namespace lathe
