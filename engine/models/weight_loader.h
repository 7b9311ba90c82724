// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/io/checkpoint.h"
#include "engine/models/quantized_format.h"
#include "engine/models/reference_layout.h"
#include "engine/nn/linear.h"

#include <initializer_list>
#include <set>
#include <string>
#include <vector>

namespace lathe {

/// Maps the names of a checkpoint to the layers of a model. Each call claims tensors and checks
/// them; the first fault stops the loading of data, not the checking, and `finish` reports all
/// faults at once.
class WeightLoader {
public:
    /// @param modelType names the model in messages ("llama").
    WeightLoader(const Checkpoint& checkpoint, ExecContext& context, std::string modelType);

    /// [out, in] F32, F16 or BF16 as stored, on the context's device.
    Tensor matrix(const std::string& name, std::int64_t out, std::int64_t in);
    /// [size] F32, widened from F16 or BF16, on the context's device.
    Tensor vector(const std::string& name, std::int64_t size);
    /// `<module>.weight`, or the parts of a quantized module, and `<module>.bias`.
    Linear linear(const std::string& module, std::int64_t out, std::int64_t in, bool bias);
    /// A second copy of a tensor, as some files hold of a tied head. It must equal the first.
    void duplicate(const std::string& name, const std::string& of);
    /// @throws FormatError listing every missing, surplus and wrongly shaped tensor with both
    /// shapes.
    void finish() const;
    /// What reading the tables of SqueezeLLM's layout changed so far.
    const TableRounding& tableRounding() const noexcept { return m_rounding; }

private:
    bool claim(const std::string& name, const Shape& shape, std::span<const DType> dtypes);
    /// The tensor on the host, its checksum compared. Null once there is a fault.
    Tensor stored(const std::string& name, const Shape& shape, std::span<const DType> dtypes);
    Tensor load(const std::string& name, const Shape& shape, std::span<const DType> dtypes);
    /// The tensor on the host in F32, whatever float it is stored as. Null once there is a fault.
    Tensor floats(const std::string& name, const Shape& shape);
    std::optional<SparseRows>
    sparse(const std::string& module, const ModuleFormat& format, std::int64_t out);
    Tensor onDevice(Tensor host);
    void verify(const std::string& name, const Tensor& tensor);
    Weight quantized(const std::string& module, const ModuleFormat& format, std::int64_t out);
    bool hasReference(const std::string& module) const;
    Weight reference(const std::string& module, std::int64_t out, std::int64_t in);
    std::optional<int> referenceBits(const std::string& module);
    /// Extent of the last axis as stored; 0 when the tensor is absent or a scalar.
    std::int64_t lastExtent(const std::string& name) const;
    bool isIgnored(const std::string& name) const;
    void fault(const std::string& text);

    const Checkpoint& m_checkpoint;
    ExecContext& m_context;
    std::string m_modelType;
    QuantizedRecord m_record;
    TableRounding m_rounding;
    std::set<std::string> m_claimed;
    std::set<std::string> m_modules;
    std::vector<std::string> m_faults;
};

/// Bytes of all tensors as stored, of a cache with these extents and of `floats` more, both F32.
/// @throws FormatError when the sum is beyond any memory.
std::int64_t estimateBytes(
    const Checkpoint& checkpoint, std::initializer_list<std::int64_t> cacheExtents,
    std::int64_t floats = 0);

/// @throws DeviceError naming both numbers when `needed` bytes exceed what is free.
void requireMemory(const std::string& what, std::int64_t needed, const DeviceInfo& device);

} // namespace lathe
