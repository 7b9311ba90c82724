// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/io/gguf_checkpoint.h"
#include "engine/text/gguf_tokenizer.h"
#include "tests/fuzz/fuzz_input.h"

using namespace lathe;

namespace {

void readTensors(const GgufFile& file) {
    for (const auto& [name, entry] : file.entries()) {
        fuzz::touch(file.tensor(name));
    }
}

void readVocabulary(const GgufFile& file) {
    if (const auto tokenizer = loadGgufTokenizer(file)) {
        tokenizer->decode(tokenizer->encode(fuzz::kMixedText));
    }
}

void readCheckpoint(const GgufFile& file) {
    const GgufCheckpoint checkpoint("input", file);
    for (const auto& [name, entry] : checkpoint.entries()) {
        fuzz::touch(checkpoint.tensor(name));
    }
}

} // namespace

/// The whole file is the input; its tensors, its vocabulary and the model it stands for are read.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto storage = std::make_shared<fuzz::InputStorage>(fuzz::textOf(data, size));
    try {
        const GgufFile file = GgufFile::parse(storage, "input");
        for (const auto read : {readTensors, readVocabulary, readCheckpoint}) {
            try {
                read(file);
            } catch (const Error&) {
                continue;
            }
        }
    } catch (const Error&) {
        return 0;
    }
    return 0;
}
