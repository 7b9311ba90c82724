// SPDX-License-Identifier: Apache-2.0
// Sparse parts in files, and files that changed since they were written.
#include "engine/core/error.h"
#include "engine/models/quantized_format.h"
#include "kernels/core/half.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

#include <cstring>
#include <fstream>

namespace lathe {

using test::dequantized;
using test::inMemory;
using test::largestDifference;
using test::logitsOf;
using test::MemoryCheckpoint;

class QuantizedFileTest : public QObject {
    Q_OBJECT
private slots:
    void sparseModelsLoadToTheBit();
    void changedBytesAreRefusedOrMeanNothing();
    void damagedSparsePartsAreNamed();

private:
    static MemoryCheckpoint source() {
        Json config = test::tinyConfig("qwen2");
        config["hidden_size"] = 64;
        config["intermediate_size"] = 96;
        return test::tinyCheckpoint(config);
    }
    static std::vector<TokenId> someIds() {
        Random random(4);
        return test::randomIds(12, 40, random);
    }

    ExecContext m_context{Device{}, {.target = Target::Scalar, .threads = 2}};
    std::vector<TokenId> m_ids = someIds();
};

namespace {

/// A look-up matrix [64, 64] with a sparse value in every third row.
LutWeight sparseLut(Random& random) {
    LutWeight lut = std::get<LutWeight>(test::randomLut(64, 64, 3, random));
    std::vector<std::int32_t> pointers{0};
    std::vector<std::uint16_t> columns;
    std::vector<Half> values;
    for (int row = 0; row < 64; ++row) {
        if (row % 3 == 0) {
            columns.push_back(static_cast<std::uint16_t>(random.below(64)));
            values.push_back(toHalf(static_cast<float>(random.normal())));
        }
        pointers.push_back(static_cast<std::int32_t>(columns.size()));
    }
    lut.sparse = SparseRows{
        Tensor::empty({65}, DType::I32, Device{}), Tensor::empty({22}, DType::U16, Device{}),
        Tensor::empty({22}, DType::F16, Device{})};
    std::ranges::copy(pointers, lut.sparse->rowPointers.view().ptr<std::int32_t>());
    std::ranges::copy(columns, lut.sparse->columns.view().ptr<std::uint16_t>());
    std::ranges::copy(values, lut.sparse->values.view().ptr<Half>());
    return lut;
}

/// What loading says; empty when it loads.
std::string refusalOf(const Checkpoint& checkpoint, ExecContext& context) {
    try {
        LlamaModel::load(checkpoint, context);
    } catch (const Error& e) {
        return e.what();
    }
    return {};
}

} // namespace

void QuantizedFileTest::sparseModelsLoadToTheBit() {
    const test::TemporaryFolder folder;
    const MemoryCheckpoint checkpoint = source();
    const auto model = LlamaModel::load(checkpoint, m_context);
    Random random(8);
    model->modules().at(0).linear->weight = sparseLut(random);
    saveQuantized(*model, checkpoint, Json::object(), folder.path() / "saved");
    const auto again = LlamaModel::load(*Checkpoint::open(folder.path() / "saved"), m_context);
    QVERIFY(logitsOf(m_context, *again, m_ids) == logitsOf(m_context, *model, m_ids));
    QCOMPARE(describe(again->modules().at(0).linear->weight), "lut 3 bit + 0.537 %");
    QCOMPARE(again->weightBytes(), model->weightBytes());
    for (const std::size_t chunk : {1U, 3U, 12U}) {
        for (const Target target : availableTargets()) {
            if (target != Target::Cuda) {
                ExecContext context(Device{}, {.target = target, .threads = 2});
                const std::vector<float> wanted =
                    logitsOf(m_context, *dequantized(m_context, *model), m_ids);
                const auto [least, most] = std::ranges::minmax(wanted);
                QCOMPARE_LE(
                    largestDifference(logitsOf(context, *again, m_ids, chunk), wanted),
                    2e-5 * static_cast<double>(most - least));
            }
        }
    }
}

void QuantizedFileTest::changedBytesAreRefusedOrMeanNothing() {
    const test::TemporaryFolder folder;
    const MemoryCheckpoint checkpoint = source();
    const auto path = folder.path() / "saved";
    const auto model = LlamaModel::load(checkpoint, m_context);
    Random random(8);
    model->modules().at(0).linear->weight = sparseLut(random);
    saveQuantized(*model, checkpoint, {{"method", "kmeans"}}, path);
    const auto file = path / "model.safetensors";
    std::ifstream in(file, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), {});
    in.close();
    std::uint64_t headerBytes = 0;
    std::memcpy(&headerBytes, bytes.data(), sizeof(headerBytes));
    QVERIFY(headerBytes < bytes.size());
    const std::vector<float> wanted = logitsOf(m_context, *model, m_ids);
    int unnoticed = 0;
    for (int turn = 0; turn < 200; ++turn) {
        std::string damaged = bytes;
        // The header as often as the far larger data.
        const std::size_t at = random.below(turn % 2 == 0 ? headerBytes : bytes.size());
        damaged[at] = static_cast<char>(damaged[at] ^ (1 << random.below(8)));
        std::ofstream(file, std::ios::binary) << damaged;
        std::string refusal;
        try {
            refusal = refusalOf(*Checkpoint::open(path), m_context);
        } catch (const Error& e) {
            refusal = e.what();
        }
        if (refusal.empty()) { // spaces that pad the header, say
            ++unnoticed;
            const auto again = LlamaModel::load(*Checkpoint::open(path), m_context);
            QVERIFY(logitsOf(m_context, *again, m_ids) == wanted);
        }
    }
    QCOMPARE_LE(unnoticed, 10);
}

void QuantizedFileTest::damagedSparsePartsAreNamed() {
    const test::TemporaryFolder folder;
    const MemoryCheckpoint checkpoint = source();
    const auto model = LlamaModel::load(checkpoint, m_context);
    Random random(8);
    model->modules().at(0).linear->weight = sparseLut(random);
    saveQuantized(*model, checkpoint, Json::object(), folder.path() / "saved");
    // An old record without checksums: what it says is checked all the same.
    MemoryCheckpoint damaged = inMemory(folder.path() / "saved");
    Json record = parseJson(damaged.records.at(kFormatKey), "record");
    record["version"] = 1;
    damaged.records[kFormatKey] = dumpJson(record);
    QCOMPARE(refusalOf(damaged, m_context), "");
    const std::string name = "model.layers.0.self_attn.q_proj";
    Tensor pointers = damaged.tensors.at(name + ".row_pointers").clone(m_context);
    pointers.view().ptr<std::int32_t>()[2] = 1000000;
    damaged.tensors.erase(name + ".row_pointers");
    damaged.tensors.emplace(name + ".row_pointers", std::move(pointers));
    const std::string refusal = refusalOf(damaged, m_context);
    QVERIFY2(
        refusal.find("'" + name + "': row 1 of the sparse part") != std::string::npos,
        refusal.c_str());
}

LATHE_TEST(QuantizedFileTest);

} // namespace lathe

#include "quantized_file_test.moc"
