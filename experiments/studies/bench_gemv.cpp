// SPDX-License-Identifier: Apache-2.0
#include "engine/base/random.h"
#include "engine/core/check.h"
#include "engine/models/llama_random.h"
#include "engine/nn/linear.h"
#include "engine/quant/packing.h"
#include "experiments/metrics.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/gemv_sparse.h"
#include "experiments/studies/params.h"
#include "kernels/core/benchmark.h"
#include "kernels/core/half.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "kernels/ops/plane_gemv/plane_gemv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace lathe {

namespace {

constexpr int kMinimumRepeats = 5;
/// Rows of the matrix and vectors whose results are compared with a sum in double precision.
constexpr std::int64_t kCheckedRows = 256;
constexpr std::int64_t kCheckedVectors = 16;
/// Beyond so many vectors a GPU multiplies in half precision, dense weights alike.
constexpr std::int64_t kMostSingleVectors = 8;
constexpr double kCpuBound = 1e-5;
/// A GPU kernel may round activations to F16 (11 bits) on their way to the table.
constexpr double kCudaBound = 2e-3;

std::vector<MetricInfo> metricInfos() {
    std::vector<MetricInfo> metrics{
        {"us", "Time", "us", -1,
         "Median of --repeat measurements, at least five, after a warm-up; weights come from "
         "memory, not from a cache"},
        {"us_min", "Shortest time", "us", 0, {}},
        {"us_max", "Longest time", "us", 0, {}},
        {"bytes", "Bytes moved", "byte", 0,
         "Codes, tables, sparse part, vectors and results of one product"}};
    append(metrics, trafficMetrics());
    append(
        metrics, {{"fp16_us", "Time of dense F16", "us", 0, "The same product, measured alike"},
                  {"speedup_over_fp16", "Speed-up over dense F16", "", 1, {}},
                  {"sparse_cost", "Time over that without the sparse part", "", -1,
                   "Of the same product, both measured in turn"},
                  {"tflops", "Arithmetic", "TFLOP/s", 1,
                   "Two operations for each weight and vector; with more than 8 vectors"},
                  {"max_error", "Largest error", "", -1,
                   "Against a sum in double precision, over the largest result"},
                  {"buffers", "Rotated buffers", "", 0,
                   "Copies of the weights, together beyond the cache"}});
    return metrics;
}

StudyInfo describeStudy() {
    return {
        .id = "bench.gemv",
        .title = "Matrix-vector product",
        .summary = "Times a dense or table look-up product and compares its traffic with the copy "
                   "bandwidth",
        .paper = "SqueezeLLM (arXiv 2306.07629), section 4.3",
        .params =
            {{.name = "shape",
              .kind = ParamKind::Text,
              .defaultValue = "4096x4096",
              .help = "Matrix as OUTxIN"},
             {.name = "bits",
              .kind = ParamKind::Integer,
              .defaultValue = 4,
              .help = "Bits of a code, 1 to 8; 16: dense F16 without a table",
              .unit = "bit",
              .minimum = 1,
              .maximum = kDenseBits,
              .sweep = true},
             {.name = "batch",
              .kind = ParamKind::Integer,
              .defaultValue = 1,
              .help = "Vectors multiplied at once; more than 8 are rounded to F16 on a GPU, for "
                      "dense F16 alike",
              .minimum = 1,
              .maximum = 4096,
              .sweep = true},
             {.name = "sparsity",
              .kind = ParamKind::Real,
              .defaultValue = 0,
              .help = "Share of the weights that has a value in a sparse part beside the table",
              .unit = "%",
              .minimum = 0,
              .maximum = 20,
              .sweep = true},
             {.name = "skew",
              .kind = ParamKind::Real,
              .defaultValue = 0,
              .help = "Share of these values that lies in one hundredth of the rows; 0: evenly",
              .minimum = 0,
              .maximum = 1,
              .sweep = true}},
        .metrics = metricInfos()};
}

struct Problem {
    std::int64_t out = 0, in = 0, batch = 1;
    int bits = 4;
    SparseSizes sparse{};

    bool dense() const { return bits == kDenseBits; }
    std::int64_t weightBytes() const {
        return dense() ? out * in * 2
                       : out * (packedWords(in, bits) * 4 + (std::int64_t{1} << bits) * 2) +
                             sparse.bytes();
    }
    std::int64_t bytes() const { return weightBytes() + (in + out) * batch * 4; }
    double operations() const { return 2.0 * static_cast<double>(out * in * batch); }
    bool hasManyVectors() const { return batch > kMostSingleVectors; }
};

Problem problemFrom(const Json& params) {
    const std::string shape = textOf(params, "shape");
    const auto cut = shape.find('x');
    Problem problem;
    const auto read = [&](std::string_view text, std::int64_t& value) {
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        return error == std::errc{} && end == text.data() + text.size() && value >= 1 &&
               value <= (1 << 20);
    };
    LATHE_CHECK(
        cut != std::string::npos && read(std::string_view(shape).substr(0, cut), problem.out) &&
            read(std::string_view(shape).substr(cut + 1), problem.in),
        "--shape must be OUTxIN with extents from 1 to 1048576, like 4096x4096, not '" + shape +
            "'");
    problem.bits = params.at("bits").get<int>();
    LATHE_CHECK(
        problem.bits <= 8 || problem.dense(),
        "--bits must be 1 to 8, or 16 for dense F16, not " + std::to_string(problem.bits));
    problem.batch = params.at("batch").get<std::int64_t>();
    constexpr std::int64_t kMaxElements = std::int64_t{1} << 32;
    LATHE_CHECK(
        problem.out * problem.in <= kMaxElements,
        "--shape " + shape + " has more than 2^32 weights");
    problem.sparse = {
        .out = problem.out,
        .in = problem.in,
        .percent = params.at("sparsity").get<double>(),
        .skew = params.at("skew").get<double>()};
    LATHE_CHECK(
        problem.sparse.percent == 0.0 || (!problem.dense() && problem.in <= kMostSparseColumns),
        "--sparsity is for matrices of up to 65536 columns with a table, --bits 1 to 8");
    return problem;
}

/// Random weights and activations on the host, and the values that they stand for.
struct HostData {
    std::vector<float> x;              ///< [batch, in]
    std::vector<Half> dense;           ///< [out, in] when dense
    std::vector<std::int32_t> packed;  ///< [out, words]
    std::vector<Half> table;           ///< [out, 2^bits]
    SparseData sparse;                 ///< without values: no sparse part
    std::vector<double> wanted;        ///< [checked, vectors]
    std::vector<std::int64_t> checked; ///< rows of the matrix whose results are compared
    std::vector<std::int64_t> vectors; ///< of those results
    double largest = 0.0;
};

/// At most `most` of `count` indices, evenly spread.
std::vector<std::int64_t> someOf(std::int64_t count, std::int64_t most) {
    std::vector<std::int64_t> indices;
    const std::int64_t taken = std::min(count, most);
    for (std::int64_t i = 0; i < taken; ++i) {
        indices.push_back(i * count / taken);
    }
    return indices;
}

/// Fills row `row` of the host data and writes the values that it stands for.
void fillRow(
    const Problem& p, HostData& data, std::int64_t row, Random& random, std::vector<float>& values,
    std::vector<std::uint8_t>& codes) {
    const auto in = static_cast<std::size_t>(p.in);
    const auto at = static_cast<std::size_t>(row);
    if (p.dense()) {
        for (std::size_t j = 0; j < in; ++j) {
            data.dense[at * in + j] = toHalf(static_cast<float>(random.normal()));
            values[j] = toFloat(data.dense[at * in + j]);
        }
        return;
    }
    const std::size_t entries = std::size_t{1} << p.bits;
    for (std::size_t k = 0; k < entries; ++k) {
        data.table[at * entries + k] = toHalf(static_cast<float>(random.normal()));
    }
    for (std::size_t j = 0; j < in; ++j) {
        codes[j] = static_cast<std::uint8_t>(random.below(entries));
        values[j] = toFloat(data.table[at * entries + codes[j]]);
    }
    const auto words = static_cast<std::size_t>(packedWords(p.in, p.bits));
    std::vector<std::uint32_t> row32(words);
    packRow(codes, p.bits, row32);
    std::ranges::copy(row32, data.packed.begin() + static_cast<std::ptrdiff_t>(at * words));
}

HostData makeData(const Problem& p, std::uint64_t seed, RunControl& run) {
    Random random(seed);
    HostData data;
    const auto in = static_cast<std::size_t>(p.in);
    const auto out = static_cast<std::size_t>(p.out);
    data.x.resize(static_cast<std::size_t>(p.batch) * in);
    std::ranges::generate(data.x, [&] { return static_cast<float>(random.normal()); });
    data.checked = someOf(p.out, kCheckedRows);
    data.vectors = someOf(p.batch, kCheckedVectors);
    if (p.dense()) {
        data.dense.resize(out * in);
    } else {
        data.packed.resize(out * static_cast<std::size_t>(packedWords(p.in, p.bits)));
        data.table.resize(out << p.bits);
    }
    std::vector<float> values(in);
    std::vector<std::uint8_t> codes(in);
    const std::vector<std::int64_t> sparse = valuesPerRow(p.sparse, random);
    std::size_t next = 0;
    for (std::int64_t row = 0; row < p.out; ++row) {
        run.checkpoint();
        fillRow(p, data, row, random, values, codes);
        data.sparse.append(sparse[static_cast<std::size_t>(row)], values, random);
        if (next == data.checked.size() || data.checked[next] != row) {
            continue;
        }
        ++next;
        for (const std::int64_t b : data.vectors) {
            double sum = 0.0;
            for (std::size_t j = 0; j < in; ++j) {
                sum += static_cast<double>(values[j]) *
                       static_cast<double>(data.x[static_cast<std::size_t>(b) * in + j]);
            }
            data.wanted.push_back(sum);
            data.largest = std::max(data.largest, std::fabs(sum));
        }
    }
    return data;
}

/// Copies of tiny matrices: more would take longer to make than to multiply.
constexpr std::int64_t kMostBuffers = 1024;

std::int64_t copiesBeyondCache(ExecContext& exec, const Problem& p) {
    const auto cache = static_cast<std::int64_t>(lastLevelCacheBytes(exec));
    return std::min(2 + 2 * cache / p.weightBytes(), kMostBuffers);
}

/// The weights once on the host and in all their copies where they are multiplied.
/// @throws InputError with the sizes when they do not fit.
void requireRoom(ExecContext& exec, const Problem& p) {
    std::int64_t held = p.weightBytes();
    if (!p.dense() && prefersPlanes(exec, p.bits, p.in)) {
        held += 4 * (planesShape(p.out, p.in, p.bits).elementCount() +
                     planeCoefficientsShape(p.out, p.bits).elementCount());
    }
    const std::int64_t copies = copiesBeyondCache(exec, p) * held;
    const auto require = [&p](std::int64_t needed, Device device) {
        const std::int64_t free = deviceInfo(device).freeBytes;
        LATHE_CHECK(
            needed <= free, "--shape " + std::to_string(p.out) + "x" + std::to_string(p.in) +
                                " needs " + std::to_string(needed >> 20) + " MiB on " +
                                device.name() + ", where " + std::to_string(free >> 20) +
                                " MiB are free; choose a smaller one");
    };
    const bool cuda = exec.device().isCuda();
    require(p.weightBytes() + (cuda ? 0 : copies), Device{});
    if (cuda) {
        require(copies, exec.device());
    }
}

/// Several equal copies of the weights, so that each product reads them from memory.
class Rotation {
public:
    Rotation(StudyContext& context, const Problem& p, const HostData& data)
        : m_exec(context.exec), m_problem(p), m_x(upload<float>(data.x, {p.batch, p.in})),
          m_y(Tensor::empty({p.batch, p.out}, DType::F32, m_exec.device())) {
        const auto cache = static_cast<std::int64_t>(lastLevelCacheBytes(m_exec));
        const std::int64_t copies = copiesBeyondCache(m_exec, p);
        if (copies * p.weightBytes() <= cache) {
            context.run.log(
                LogLevel::Warning,
                "the matrix is so small that all its copies fit the cache: the time is that of "
                "cached weights");
        }
        for (std::int64_t i = 0; i < copies; ++i) {
            context.run.checkpoint();
            m_weights.push_back({.weight = weightOf(data)});
            if (p.sparse.values() > 0) {
                m_plain.push_back({.weight = withoutSparse(m_weights.back().weight)});
            }
        }
    }

    void multiply(int turn) { apply(m_weights, turn); }
    /// By the same weights without their sparse part.
    void multiplyPlain(int turn) { apply(m_plain, turn); }

    std::vector<float> result() {
        std::vector<float> host(static_cast<std::size_t>(m_problem.batch * m_problem.out));
        copy(m_exec, m_y.view(), viewOf(std::span(host), m_y.shape()));
        return host;
    }

    std::size_t copies() const { return m_weights.size(); }

private:
    void apply(const std::vector<Linear>& weights, int turn) {
        weights[static_cast<std::size_t>(turn) % weights.size()].apply(
            m_exec, m_x.view(), m_y.view());
    }

    Weight withoutSparse(const Weight& weight) {
        Weight plain = share(weight);
        auto& lut = std::get<LutWeight>(plain);
        lut.sparse.reset();
        if (lut.planes) {
            lut.planes->shares.reset();
        }
        return plain;
    }

    Weight weightOf(const HostData& data) {
        const Problem& p = m_problem;
        if (p.dense()) {
            return DenseWeight{upload<Half>(data.dense, {p.out, p.in})};
        }
        LutWeight lut{
            .packed = upload<std::int32_t>(data.packed, {p.out, packedWords(p.in, p.bits)}),
            .table = upload<Half>(data.table, {p.out, std::int64_t{1} << p.bits}),
            .bits = p.bits,
            .in = p.in};
        const auto count = static_cast<std::int64_t>(data.sparse.values.size());
        if (count > 0) {
            lut.sparse = SparseRows{
                upload<std::int32_t>(data.sparse.pointers, {p.out + 1}),
                upload<std::uint16_t>(data.sparse.columns, {count}),
                upload<Half>(data.sparse.values, {count})};
        }
        arrangePlanes(m_exec, lut);
        return lut;
    }

    template <class T>
    Tensor upload(const std::vector<T>& values, Shape shape) {
        Tensor tensor = Tensor::empty(shape, DTypeOf<T>::value, m_exec.device());
        copy(m_exec, constViewOf<T>(values, shape), tensor.view());
        return tensor;
    }

    ExecContext& m_exec;
    Problem m_problem;
    Tensor m_x, m_y;
    std::vector<Linear> m_weights, m_plain;
};

/// @return largest error over the largest result. @throws InternalError when it is too large to
/// time.
double
requireCorrect(ExecContext& exec, const Problem& p, const HostData& data, Rotation& rotation) {
    rotation.multiply(0);
    const std::vector<float> y = rotation.result();
    double error = 0.0;
    std::size_t i = 0;
    for (const std::int64_t row : data.checked) {
        for (const std::int64_t b : data.vectors) {
            const double got = y[static_cast<std::size_t>(b * p.out + row)];
            const double away = std::fabs(got - data.wanted[i++]);
            if (!std::isfinite(away)) {
                throw InternalError("the product gave a value that is not finite");
            }
            error = std::max(error, away);
        }
    }
    const double relative = data.largest > 0.0 ? error / data.largest : error;
    const double bound = exec.device().isCuda() ? kCudaBound : kCpuBound;
    if (relative > bound) {
        throw InternalError(
            "the product is off by " + std::to_string(relative) +
            " of its largest value, more than " + std::to_string(bound) + ": not timed");
    }
    return relative;
}

struct Measured {
    Timing timing{};
    double sparseCost = 1.0;
    double error = 0.0;
    std::size_t copies = 0;
};

/// Time with the sparse part over that without: the median of ratios of neighbours, which a change
/// of clocks meets alike.
double timeSparse(StudyContext& context, int repeat, int launches, Rotation& rotation) {
    std::vector<double> ratios;
    for (int i = 0; i < repeat; ++i) {
        context.run.checkpoint();
        const auto time = [&](auto multiply) {
            return timeKernel(
                       context.exec, 1, launches, [&](int turn) { (rotation.*multiply)(turn); })
                .medianUs;
        };
        const double us = time(&Rotation::multiply);
        ratios.push_back(us / time(&Rotation::multiplyPlain));
    }
    return median(ratios);
}

Measured measure(const Spec& spec, StudyContext& context, const Problem& p) {
    requireRoom(context.exec, p);
    const HostData data = makeData(p, spec.seed, context.run);
    Rotation rotation(context, p, data);
    Measured measured{.copies = rotation.copies()};
    measured.error = requireCorrect(context.exec, p, data, rotation);
    context.run.checkpoint();
    // Every copy is read at least once in a measurement, tiny ones often enough to be seen by a
    // clock. On a GPU the time is the slope over half of the launches: 64 or more, fewer where each
    // is long.
    constexpr std::int64_t kTimedBytes = std::int64_t{1} << 28;
    const bool cuda = context.exec.device().isCuda();
    const std::int64_t cudaLaunches = p.hasManyVectors() ? 16 : 128;
    const std::int64_t least =
        std::max(static_cast<std::int64_t>(rotation.copies()), cuda ? cudaLaunches : 1);
    const auto launches = static_cast<int>(std::clamp<std::int64_t>(
        kTimedBytes / p.bytes(), least, std::max<std::int64_t>(least, 1024)));
    measured.timing =
        timeKernel(context.exec, std::max(spec.repeat, kMinimumRepeats), launches, [&](int turn) {
            if (!cuda) {
                context.run.checkpoint(); // on a GPU only the launches are made here
            }
            rotation.multiply(turn);
        });
    if (p.sparse.values() > 0) {
        measured.sparseCost =
            timeSparse(context, std::max(spec.repeat, kMinimumRepeats), launches, rotation);
    }
    return measured;
}

class BenchGemv : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    Json run(const Spec& spec, StudyContext& context) const override;

private:
    StudyInfo m_info = describeStudy();
};

Json BenchGemv::run(const Spec& spec, StudyContext& context) const {
    const Problem problem = problemFrom(spec.params);
    Problem dense = problem;
    dense.bits = kDenseBits;
    dense.sparse.percent = 0.0;
    context.run.progress(0.0, "measuring the copy bandwidth");
    const double copyRate =
        context.cache.get<double>("copy", [&] { return measureCopyBandwidth(context.exec); });
    context.run.checkpoint();
    std::optional<ExecContext> half;
    if (problem.hasManyVectors() && context.exec.device().isCuda()) {
        half.emplace(
            context.exec.device(),
            ExecOptions{.threads = spec.threads, .products = Products::Half});
    }
    StudyContext timed{
        context.run, half ? *half : context.exec, context.cpu, context.models, context.cache};
    context.run.progress(0.3, "timing the product");
    const Measured measured = measure(spec, timed, problem);
    context.run.progress(0.7, "timing dense F16");
    const double denseUs =
        problem.dense() ? measured.timing.medianUs : measure(spec, timed, dense).timing.medianUs;
    const double rate = static_cast<double>(problem.bytes()) / (measured.timing.medianUs * 1e-6);
    Json metrics{
        {"bytes", problem.bytes()},
        {"us", jsonNumber(measured.timing.medianUs)},
        {"us_min", jsonNumber(measured.timing.minimumUs)},
        {"us_max", jsonNumber(measured.timing.maximumUs)},
        {"gb_per_s", jsonNumber(rate / 1e9)},
        {"copy_gb_per_s", jsonNumber(copyRate / 1e9)},
        {"share_of_copy", jsonNumber(rate / copyRate)},
        {"fp16_us", jsonNumber(denseUs)},
        {"speedup_over_fp16", jsonNumber(denseUs / measured.timing.medianUs)},
        {"sparse_cost", jsonNumber(measured.sparseCost)},
        {"max_error", jsonNumber(measured.error)},
        {"buffers", measured.copies}};
    if (problem.hasManyVectors()) {
        metrics["tflops"] = jsonNumber(problem.operations() / measured.timing.medianUs * 1e-6);
    }
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeBenchGemv() { return std::make_unique<BenchGemv>(); }

} // namespace lathe
