// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The float vector of the instruction set that a file is compiled for, always called Vec.
#if defined(LATHE_SIMD_AVX512)
#include "kernels/simd/vec_avx512.h"
#elif defined(LATHE_SIMD_AVX2)
#include "kernels/simd/vec_avx2.h"
#else
#ifndef LATHE_SIMD_NAMESPACE
#define LATHE_SIMD_NAMESPACE scalar
#endif
#include "kernels/simd/vec_scalar.h"
#endif

/// In front of a loop of constant length over vectors that have to stay in registers.
#ifdef __clang__
#define LATHE_UNROLL _Pragma("unroll")
#else
#define LATHE_UNROLL _Pragma("GCC unroll 32")
#endif
