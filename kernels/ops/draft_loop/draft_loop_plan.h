// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/draft_loop/draft_loop.h"

#include <optional>

namespace lathe {

/// How the blocks of a cluster share a DraftLoop: who multiplies which rows, and where everything
/// lies in the shared memory of a block, in bytes from its begin. The same for all blocks.
///
/// A block has as many rows of each matrix as the others and multiplies them for all. Of q, k and v
/// it has those of its heads, with their keys and values, so that it attends by itself; blocks with
/// the same head do so each for some of the others. Of the head it has the columns that
/// `blocks`-ths of the threads of RowStatistics take.
struct DraftLoopPlan {
    int blocks = 0, layers = 0, hidden = 0, heads = 0, headDim = 0, inner = 0;
    int columns = 0, vocabulary = 0, positions = 0, sourcePositions = 0;
    int most = 0;                        ///< rows that a draft may have
    int tokens = 0;                      ///< that may be fed
    int teams = 0;                       ///< of blocks with the same heads: block % teams
    int blockHeads = 0;                  ///< heads of a block at most: its team's, + blocks, ..
    int blockHidden = 0, blockInner = 0; ///< outputs of a block
    int groupColumns = 0, groups = 0;    ///< columns of a block in a row, and how often
    bool gated = false;

    int arrivals = 0, products = 0, control = 0, rows = 0, best = 0, sums = 0;
    int hiddens = 0, mixed = 0, inners = 0, ups = 0, query = 0, parts = 0, scores = 0, logits = 0;
    int finalNorm = 0, bias = 0, head = 0;
    int firstLayer = 0, layerBytes = 0; ///< those below count from the begin of a layer
    int norms = 0, qkv = 0, sourceQ = 0, o = 0, sourceO = 0, in = 0, up = 0, out = 0;
    int caches[4]{}; ///< keys, values, those of the source
    int bytes = 0;

    /// Words of `control`: state, limits, length of the source, ids.
    static constexpr int kLimits = DraftStep::kStateSize;
    static constexpr int kSource = kLimits + DraftStep::kLimitSize;
    static constexpr int kIds = kSource + 1;
    /// Products of a layer, with the second one of a gated layer, each eight words of `products`.
    static constexpr int kProducts = 7;
    /// Barriers of `arrivals`.
    static constexpr int kArrivals = 9;
    /// Matrices, or heads of them, that a block copies.
    static constexpr int kMostCopies = 64;
    /// Of the kernel's orders of summation, by which the memory is laid out.
    static constexpr int kStatisticsThreads = 1024, kOctet = 8, kAttentionWarps = 8, kWarp = 32;
    static constexpr int kMostHeadDim = 4 * kWarp;
};

/// Of `wanted` leading rows of a cache, those that there are; all where none are wanted.
std::int64_t draftPositions(std::int64_t wanted, const ConstView& cache);

/// None for shapes, types or alignments that the kernel does not take, whatever the memory.
/// @param blocks 8 or 16
std::optional<DraftLoopPlan> planDraftLoop(const DraftLoop& op, int blocks);

} // namespace lathe
