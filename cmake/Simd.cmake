# SPDX-License-Identifier: Apache-2.0
# lathe_add_simd_sources(TARGET FILE...) compiles each file once per instruction set, into the
# namespaces lathe::avx2 and lathe::avx512 (macro LATHE_SIMD_NAMESPACE). Such a file exports functions
# on raw pointers only: an inline function of the standard library that is compiled here for AVX-512
# could win at link time and crash an older processor.
set(LATHE_AVX2_FLAGS -mavx2 -mfma -mf16c)
set(LATHE_AVX512_FLAGS -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx2 -mfma -mf16c)

function(lathe_add_simd_sources target)
  foreach(isa avx2 avx512)
    string(TOUPPER ${isa} upper)
    set(library ${target}_${isa})
    add_library(${library} OBJECT ${ARGN})
    target_link_libraries(${library} PRIVATE lathe::flags)
    target_compile_options(${library} PRIVATE ${LATHE_${upper}_FLAGS} -fno-math-errno)
    target_compile_definitions(${library} PRIVATE LATHE_SIMD_NAMESPACE=${isa} LATHE_SIMD_${upper}=1)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${library}>)
  endforeach()
endfunction()
