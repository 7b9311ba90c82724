// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/io/safetensors.h"
#include "tests/fuzz/fuzz_input.h"

using namespace lathe;

/// The whole file is the input; every tensor that it declares is read.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto storage = std::make_shared<fuzz::InputStorage>(fuzz::textOf(data, size));
    try {
        const SafetensorsFile file = SafetensorsFile::parse(storage, "input");
        for (const auto& [name, entry] : file.entries()) {
            fuzz::touch(file.tensor(name));
        }
        for (const auto& [name, type] : file.unknownTypes()) {
            file.tensor(name);
        }
    } catch (const Error&) {
        return 0;
    }
    return 0;
}
