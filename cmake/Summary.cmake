# SPDX-License-Identifier: Apache-2.0
# One table of what this build contains, so that nothing is left out silently.
if(LATHE_HAVE_CUDA)
  set(cuda "yes (nvcc ${CMAKE_CUDA_COMPILER_VERSION}; ${LATHE_CUDA_ARCHITECTURES})")
else()
  set(cuda "no (LATHE_CUDA=${LATHE_CUDA}; no nvcc found or switched off)")
endif()
if(LATHE_HAVE_ONEDNN)
  set(onednn "yes (${dnnl_VERSION})")
else()
  set(onednn "no (LATHE_ONEDNN=${LATHE_ONEDNN}): the project's tiled kernel serves")
endif()
message(STATUS "Lathe ${PROJECT_VERSION} (${LATHE_GIT_REVISION}), ${CMAKE_BUILD_TYPE}, "
               "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
message(STATUS "  CUDA target   ${cuda}")
message(STATUS "  oneDNN        ${onednn}")
message(STATUS "  window        ${LATHE_GUI}")
message(STATUS "  tests         ${LATHE_TESTS}")
message(STATUS "  sanitizers    ${LATHE_SANITIZE}")
