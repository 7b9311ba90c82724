// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/cuda_backend.h"

#include "kernels/core/aligned.h"
#include "kernels/cuda/cublas_api.h"
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/overlap.cuh"

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace lathe::cuda {

namespace {

class DeviceStorage : public Storage {
public:
    DeviceStorage(std::size_t bytes, int index) : m_bytes(bytes), m_index(index) {
        check(cudaSetDevice(index), "cudaSetDevice");
        const cudaError_t status = cudaMalloc(&m_data, std::max<std::size_t>(bytes, 1));
        if (status == cudaErrorMemoryAllocation) {
            cudaGetLastError(); // not sticky: clear it
            std::size_t available = 0;
            std::size_t total = 0;
            cudaMemGetInfo(&available, &total);
            throw DeviceError(
                "cuda:" + std::to_string(index) + ": " + std::to_string(bytes >> 20) +
                " MiB could not be allocated; " + std::to_string(available >> 20) + " of " +
                std::to_string(total >> 20) +
                " MiB are free. Choose a smaller model or --device cpu");
        }
        check(status, "cudaMalloc");
    }
    ~DeviceStorage() override { cudaFree(m_data); }
    DeviceStorage(const DeviceStorage&) = delete;
    DeviceStorage& operator=(const DeviceStorage&) = delete;

    std::byte* data() noexcept override { return static_cast<std::byte*>(m_data); }
    std::size_t bytes() const noexcept override { return m_bytes; }
    Device device() const noexcept override { return {Device::Kind::Cuda, m_index}; }

private:
    void* m_data = nullptr;
    std::size_t m_bytes;
    int m_index;
};

std::string versionText(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

int kernelsOf(cudaGraph_t graph) {
    std::size_t count = 0;
    check(cudaGraphGetNodes(graph, nullptr, &count), "nodes of a graph");
    std::vector<cudaGraphNode_t> nodes(count);
    check(cudaGraphGetNodes(graph, nodes.data(), &count), "nodes of a graph");
    return static_cast<int>(std::ranges::count_if(nodes, [](cudaGraphNode_t node) {
        cudaGraphNodeType type{};
        check(cudaGraphNodeGetType(node, &type), "kind of a node");
        return type == cudaGraphNodeTypeKernel;
    }));
}

/// A captured sequence of launches, replayed as one.
class Graph {
public:
    Graph(cudaStream_t stream, int launches, const std::function<void(int)>& body) {
        check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "begin capture");
        cudaGraph_t graph = nullptr;
        try {
            for (int i = 0; i < launches; ++i) {
                body(i);
            }
        } catch (...) {
            cudaStreamEndCapture(stream, &graph);
            cudaGraphDestroy(graph);
            throw;
        }
        check(cudaStreamEndCapture(stream, &graph), "end capture");
        const cudaError_t status = cudaGraphInstantiate(&m_executable, graph, 0);
        m_kernels = status == cudaSuccess ? kernelsOf(graph) : 0;
        cudaGraphDestroy(graph);
        check(status, "instantiate graph");
    }
    ~Graph() { cudaGraphExecDestroy(m_executable); }
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;

    void replay(cudaStream_t stream) {
        check(cudaGraphLaunch(m_executable, stream), "launch graph");
    }
    int kernels() const noexcept { return m_kernels; }

private:
    cudaGraphExec_t m_executable = nullptr;
    int m_kernels = 0;
};

class RecordedGraph : public CapturedGraph {
public:
    RecordedGraph(cudaStream_t stream, const std::function<void()>& body)
        : m_graph(stream, 1, [&body](int) { body(); }) {}
    void replay(ExecContext& context) override { m_graph.replay(context.cuda()->stream); }
    int kernels() const noexcept override { return m_graph.kernels(); }

private:
    Graph m_graph;
};

__global__ void goOnKernel(cudaGraphConditionalHandle handle, const std::int32_t* go) {
    waitForPrevious();
    cudaGraphSetConditional(handle, *go != 0 ? 1U : 0U);
}

/// The node that what is captured next would come behind.
cudaGraphNode_t lastNode(cudaStream_t stream) {
    cudaStreamCaptureStatus status{};
    const cudaGraphNode_t* nodes = nullptr;
    std::size_t count = 0;
#if CUDART_VERSION >= 13000
    check(
        cudaStreamGetCaptureInfo(stream, &status, nullptr, nullptr, &nodes, nullptr, &count),
        "what is captured");
#else
    check(
        cudaStreamGetCaptureInfo(stream, &status, nullptr, nullptr, &nodes, &count),
        "what is captured");
#endif
    if (count != 1) {
        throw InternalError("launches that were recorded do not follow one another");
    }
    return nodes[0];
}

/// A body that a graph runs as long as its condition holds, behind `last`.
cudaGraph_t addLoop(cudaGraph_t graph, cudaGraphNode_t last, cudaGraphConditionalHandle handle) {
    cudaGraphNodeParams parameters{};
    parameters.type = cudaGraphNodeTypeConditional;
    parameters.conditional.handle = handle;
    parameters.conditional.type = cudaGraphCondTypeWhile;
    parameters.conditional.size = 1;
    cudaGraphNode_t node = nullptr;
#if CUDART_VERSION >= 13000
    check(cudaGraphAddNode(&node, graph, &last, nullptr, 1, &parameters), "add a loop");
#else
    check(cudaGraphAddNode(&node, graph, &last, 1, &parameters), "add a loop");
#endif
    return parameters.conditional.phGraph_out[0];
}

/// A loop on the device: see CapturedGraph::recordLoop.
class LoopGraph : public CapturedGraph {
public:
    LoopGraph(
        ExecContext& context, const std::function<void()>& first,
        const std::function<void()>& again, const std::int32_t* go) {
        check(cudaGraphCreate(&m_graph, 0), "make a graph");
        try {
            cudaGraphConditionalHandle handle{};
            check(cudaGraphConditionalHandleCreate(&handle, m_graph, 0, 0), "make a condition");
            const cudaGraphNode_t last = add(context, m_graph, first, handle, go);
            const cudaGraph_t body = addLoop(m_graph, last, handle);
            add(context, body, again, handle, go);
            check(cudaGraphInstantiate(&m_executable, m_graph, 0), "instantiate a loop");
            m_kernels = kernelsOf(m_graph) + kernelsOf(body);
        } catch (...) {
            cudaGraphDestroy(m_graph);
            throw;
        }
    }
    ~LoopGraph() override {
        cudaGraphExecDestroy(m_executable);
        cudaGraphDestroy(m_graph);
    }
    LoopGraph(const LoopGraph&) = delete;
    LoopGraph& operator=(const LoopGraph&) = delete;

    void replay(ExecContext& context) override {
        check(cudaGraphLaunch(m_executable, context.cuda()->stream), "launch a loop");
    }
    int kernels() const noexcept override { return m_kernels; }

private:
    /// Captures `part` into `graph`, and behind it whether to go on.
    static cudaGraphNode_t
    add(ExecContext& context, cudaGraph_t graph, const std::function<void()>& part,
        cudaGraphConditionalHandle handle, const std::int32_t* go) {
        const cudaStream_t stream = context.cuda()->stream;
        check(
            cudaStreamBeginCaptureToGraph(
                stream, graph, nullptr, nullptr, 0, cudaStreamCaptureModeThreadLocal),
            "begin capture");
        cudaGraph_t captured = nullptr;
        cudaGraphNode_t last = nullptr;
        try {
            part();
            launchOverlapped(context, "loop", goOnKernel, {.grid = dim3(1)}, handle, go);
            last = lastNode(stream);
        } catch (...) {
            cudaStreamEndCapture(stream, &captured);
            throw;
        }
        check(cudaStreamEndCapture(stream, &captured), "end capture");
        return last;
    }

    cudaGraph_t m_graph = nullptr;
    cudaGraphExec_t m_executable = nullptr;
    int m_kernels = 0;
};

struct FewIntegers {
    std::int32_t value[kMostPut];
};

__global__ void putKernel(FewIntegers values, std::int32_t* to, int count) {
    const int i = static_cast<int>(threadIdx.x);
    if (i < count) {
        to[i] = values.value[i];
    }
}

/// Hopper and later, with code that was built for it: only that waits for the kernel in front.
bool kernelsOverlap(int device) {
    int major = 0;
    check(
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
        "cudaDeviceGetAttribute");
    cudaFuncAttributes attributes{};
    check(cudaFuncGetAttributes(&attributes, putKernel), "cudaFuncGetAttributes");
    return major >= 9 && attributes.ptxVersion >= 90;
}

class Event {
public:
    Event() { check(cudaEventCreate(&m_event), "create event"); }
    ~Event() { cudaEventDestroy(m_event); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    void record(cudaStream_t stream) { check(cudaEventRecord(m_event, stream), "record event"); }
    double millisecondsSince(Event& earlier) {
        check(cudaEventSynchronize(m_event), "wait for event");
        float ms = 0.0F;
        check(cudaEventElapsedTime(&ms, earlier.m_event, m_event), "read event");
        return static_cast<double>(ms);
    }

private:
    cudaEvent_t m_event = nullptr;
};

double millisecondsOf(Graph& graph, cudaStream_t stream) {
    Event begin;
    Event end;
    begin.record(stream);
    graph.replay(stream);
    end.record(stream);
    return end.millisecondsSince(begin);
}

} // namespace

int deviceCount(std::string* whyNot) {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess) {
        cudaGetLastError();
        if (whyNot != nullptr) {
            *whyNot = status == cudaErrorInsufficientDriver
                          ? "no NVIDIA driver, or one that is too old"
                          : cudaGetErrorString(status);
        }
        return 0;
    }
    if (count == 0 && whyNot != nullptr) {
        *whyNot = "no NVIDIA GPU";
    }
    return count;
}

DeviceInfo deviceInfo(int index) {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
    check(cudaSetDevice(index), "cudaSetDevice");
    std::size_t available = 0;
    std::size_t total = 0;
    check(cudaMemGetInfo(&available, &total), "cudaMemGetInfo");
    int driver = 0;
    int runtime = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    return {
        .device = {Device::Kind::Cuda, index},
        .title = properties.name,
        .totalBytes = static_cast<std::int64_t>(total),
        .freeBytes = static_cast<std::int64_t>(available),
        .driver = "CUDA driver " + versionText(driver) + ", runtime " + versionText(runtime) +
                  ", " + blasVersion(),
        .note = {}};
}

std::shared_ptr<Storage> allocate(std::size_t bytes, int index) {
    return std::make_shared<DeviceStorage>(bytes, index);
}

void destroyState(ExecContext::CudaState* state) noexcept {
    if (state != nullptr) {
        destroyBlas(*state);
        if (state->stream != nullptr) {
            cudaStreamDestroy(state->stream);
        }
        cudaFreeHost(state->staging);
        delete state;
    }
}

ExecContext::CudaState* makeState(int index) {
    check(cudaSetDevice(index), "cudaSetDevice");
    struct Deleter {
        void operator()(ExecContext::CudaState* state) const noexcept { destroyState(state); }
    };
    std::unique_ptr<ExecContext::CudaState, Deleter> state(new ExecContext::CudaState);
    state->device = index;
    check(cudaStreamCreateWithFlags(&state->stream, cudaStreamNonBlocking), "create stream");
    check(
        cudaDeviceGetAttribute(&state->multiprocessors, cudaDevAttrMultiProcessorCount, index),
        "cudaDeviceGetAttribute");
    check(
        cudaDeviceGetAttribute(&state->mostShared, cudaDevAttrMaxSharedMemoryPerBlockOptin, index),
        "cudaDeviceGetAttribute");
    check(
        cudaHostAlloc(&state->staging, ExecContext::CudaState::kStagingBytes, cudaHostAllocMapped),
        "allocate pinned memory");
    state->overlaps = kernelsOverlap(index);
    const char* sync = std::getenv("LATHE_CUDA_SYNC");
    state->syncEveryOp = sync != nullptr && std::strcmp(sync, "1") == 0;
    return state.release();
}

void synchronize(ExecContext::CudaState& state) {
    check(cudaStreamSynchronize(state.stream), "waiting for the GPU");
}

namespace {

__global__ void readKernel(const std::uint32_t* from, std::uint32_t* to, int words) {
    letNextBegin();
    waitForPrevious();
    for (int i = static_cast<int>(threadIdx.x); i < words; i += static_cast<int>(blockDim.x)) {
        to[i] = from[i];
    }
}

bool isSmall(const ConstView& view) {
    constexpr std::size_t kWord = sizeof(std::uint32_t);
    return view.bytes() <= ExecContext::CudaState::kStagingBytes && view.bytes() % kWord == 0 &&
           isAligned(view.data, kWord);
}

/// By a kernel that writes to the host's memory itself: the copy engine starts several microseconds
/// after the kernels in front have ended.
void readSmall(ExecContext& context, const ConstView& from, const TensorView& to) {
    ExecContext::CudaState& state = *context.cuda();
    launchOverlapped(
        context, "read", readKernel, {.grid = dim3(1), .threads = 256}, from.ptr<std::uint32_t>(),
        static_cast<std::uint32_t*>(state.staging),
        static_cast<int>(from.bytes() / sizeof(std::uint32_t)));
    check(cudaStreamSynchronize(state.stream), "copy");
    std::memcpy(to.data, state.staging, from.bytes());
}

} // namespace

void copy(ExecContext& context, ConstView from, TensorView to) {
    if (from.bytes() == 0) {
        return;
    }
    // A context of the host may fetch results too; it has no stream, so the copy is a blocking one.
    if (context.cuda() == nullptr) {
        check(cudaMemcpy(to.data, from.data, from.bytes(), cudaMemcpyDefault), "copy");
        return;
    }
    const cudaStream_t stream = context.cuda()->stream;
    const bool isOwn = from.device.isCuda() && from.device.index == context.cuda()->device;
    if (isOwn && !to.device.isCuda() && isSmall(from)) {
        readSmall(context, from, to);
        return;
    }
    check(cudaMemcpyAsync(to.data, from.data, from.bytes(), cudaMemcpyDefault, stream), "copy");
    if (!from.device.isCuda() || !to.device.isCuda()) {
        check(cudaStreamSynchronize(stream), "copy");
    }
}

void fillZero(ExecContext& context, TensorView view) {
    check(cudaMemsetAsync(view.data, 0, view.bytes(), context.cuda()->stream), "cudaMemsetAsync");
}

void put(ExecContext& context, std::span<const std::int32_t> values, TensorView to) {
    FewIntegers few{};
    std::ranges::copy(values, few.value);
    putKernel<<<1, kMostPut, 0, context.cuda()->stream>>>(
        few, to.ptr<std::int32_t>(), static_cast<int>(values.size()));
    checkLaunch(context, "put");
}

bool canCapture(const ExecContext::CudaState& state) { return !state.syncEveryOp; }

std::unique_ptr<CapturedGraph> capture(ExecContext& context, const std::function<void()>& body) {
    return std::make_unique<RecordedGraph>(context.cuda()->stream, body);
}

std::unique_ptr<CapturedGraph> captureLoop(
    ExecContext& context, const std::function<void()>& first, const std::function<void()>& again,
    ConstView go) {
    return std::make_unique<LoopGraph>(context, first, again, go.ptr<std::int32_t>());
}

double timeLaunches(ExecContext& context, int launches, const std::function<void(int)>& body) {
    const cudaStream_t stream = context.cuda()->stream;
    const int half = std::max(launches / 2, 1);
    const int full = std::max(launches, half + 1);
    Graph shorter(stream, half, body);
    Graph longer(stream, full, body);
    millisecondsOf(shorter, stream); // warm-up: clocks, caches, first use of the graph
    millisecondsOf(longer, stream);
    std::array<double, 5> slopes{};
    for (double& slope : slopes) {
        const double shortMs = millisecondsOf(shorter, stream);
        const double longMs = millisecondsOf(longer, stream);
        slope = (longMs - shortMs) * 1e3 / (full - half);
    }
    std::ranges::sort(slopes);
    return slopes[slopes.size() / 2];
}

std::size_t cacheBytes(int index) {
    int bytes = 0;
    check(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, index), "cudaDeviceGetAttribute");
    return static_cast<std::size_t>(bytes);
}

} // namespace lathe::cuda
