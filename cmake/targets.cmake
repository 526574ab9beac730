# The ways a folder adds to the build: a library, a unit test beside the code, a fuzz target, a benchmark.

# What the test script builds for the sanitizers and the fuzzer.
add_custom_target(programs)  # what is installed; coprotect_program() adds to it
add_custom_target(unit_tests)
add_custom_target(thread_tests)
add_custom_target(fuzz_targets)

# coprotect_library(NAME SOURCES... [LINK LIBS...] [COMPUTES]): with COMPUTES it is optimized for the sanitizers, too: that
# is where their tests spend half of their time.
function(coprotect_library name)
  cmake_parse_arguments(ARG "COMPUTES" "" "LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  if(ARG_COMPUTES AND CMAKE_CXX_FLAGS MATCHES sanitize)
    target_compile_options(${name} PRIVATE -O2)
  endif()
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_LINK} PRIVATE coprotect_warnings)
endfunction()

include(GNUInstallDirs)

# Programs that only other programs of ours start.
set(COPROTECT_HELPER_DIR ${CMAKE_INSTALL_LIBEXECDIR}/coprotect)
set(COPROTECT_HELPER_FULL_DIR ${CMAKE_INSTALL_FULL_LIBEXECDIR}/coprotect)

# coprotect_program(NAME SOURCES... [LINK LIBS...] [HELPER_OF PROGRAM] [FAULTS] [SHORTAGES]): an executable. Its component
# of an installation is its own name, or that of the program it helps. With FAULTS also its twin for the
# kill tests, in fault-bin, where fault_point() can kill, and with SHORTAGES what the system gives can be refused and its
# clock be set.
function(coprotect_program name)
  cmake_parse_arguments(ARG "FAULTS;SHORTAGES" "HELPER_OF" "LINK" ${ARGN})
  add_library(${name}-main OBJECT ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name}-main PRIVATE ${ARG_LINK} coprotect_warnings)
  add_executable(${name} $<TARGET_OBJECTS:${name}-main>)
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  add_dependencies(programs ${name})
  if(ARG_HELPER_OF)
    install(TARGETS ${name} RUNTIME DESTINATION ${COPROTECT_HELPER_DIR} COMPONENT ${ARG_HELPER_OF})
  else()
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT ${name})
  endif()
  if(ARG_FAULTS AND BUILD_TESTING AND NOT COPROTECT_FUZZ)
    add_executable(${name}-fault $<TARGET_OBJECTS:${name}-main>)
    target_link_libraries(${name}-fault PRIVATE ${ARG_LINK} "$<LINK_LIBRARY:WHOLE_ARCHIVE,coprotect_fault_counted>")
    if(ARG_SHORTAGES)
      target_link_libraries(${name}-fault PRIVATE "$<LINK_LIBRARY:WHOLE_ARCHIVE,coprotect_fault_shortages>")
    endif()
    set_target_properties(${name}-fault PROPERTIES OUTPUT_NAME ${name}
      RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fault-bin)
  endif()
endfunction()

# coprotect_module(NAME SOURCES... [LINK LIBS...]): loaded into other people's programs. Exports what module.map beside
# it names, can be unloaded.
function(coprotect_module name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  set(map ${CMAKE_CURRENT_SOURCE_DIR}/module.map)
  add_library(${name} MODULE ${ARG_UNPARSED_ARGUMENTS})
  target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)  # a unique symbol could not be unloaded
  target_link_libraries(${name} PRIVATE ${ARG_LINK} coprotect_warnings)
  target_link_options(${name} PRIVATE -Wl,--version-script=${map} -Wl,-z,relro,-z,now,-z,noexecstack)
  if(NOT CMAKE_CXX_FLAGS MATCHES sanitize)  # their run time comes with the program
    target_link_options(${name} PRIVATE -Wl,--no-undefined)
  endif()
  set_target_properties(${name} PROPERTIES LINK_DEPENDS ${map})
  add_dependencies(programs ${name})
endfunction()

# coprotect_test(NAME SOURCES... [LINK LIBS...] [THREADS] [SANDBOX] [AGENTS]): known to ctest under the label unit, and under
# threads too if it starts threads (those also run under the thread sanitizer), as some shards: tests of one process share
# what is dear to make. SANDBOX: it enters the front's sandbox, which denies what the address sanitizer's run time needs, so
# that one leaves it out and the release build has it. AGENTS: of whole agents, dear.
function(coprotect_test name)
  cmake_parse_arguments(ARG "THREADS;SANDBOX;AGENTS" "" "LINK" ${ARGN})
  if(NOT BUILD_TESTING OR COPROTECT_FUZZ OR NOT (COPROTECT_UNIT_TESTS OR ARG_SANDBOX))
    return()
  endif()
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} coprotect_test_main coprotect_warnings)
  target_compile_definitions(${name} PRIVATE COPROTECT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  set(labels unit)
  if(ARG_THREADS)
    set(labels unit-threads)  # one label, which both filters of CMakePresets.json match
    add_dependencies(thread_tests ${name})
  endif()
  if(ARG_SANDBOX)
    string(REPLACE unit sandbox labels ${labels})
  else()
    add_dependencies(unit_tests ${name})
  endif()
  set(cost 0)
  if(ARG_AGENTS)
    set(cost 50)  # the dearest begin first
  endif()
  set(filter *)
  if(CMAKE_CXX_FLAGS MATCHES sanitize=thread)
    set(filter -*ffdhe*)  # threads meet in the same places in each suite
  endif()
  set(slow 1)
  if(ARG_AGENTS AND CMAKE_CXX_FLAGS MATCHES sanitize)
    set(slow 3)  # of the dear ones in the slow suite each day another third (protocol/base/test_main.cc)
  endif()
  foreach(shard RANGE 3)
    add_test(NAME ${name}/${shard} COMMAND ${name} --gtest_brief=1)
    set_tests_properties(${name}/${shard} PROPERTIES LABELS "${labels}" TIMEOUT 1800 COST ${cost}
      ENVIRONMENT "GTEST_TOTAL_SHARDS=4;GTEST_SHARD_INDEX=${shard};GTEST_FILTER=${filter};COPROTECT_SLOW_TESTS_IN=${slow}")
  endforeach()
endfunction()

# coprotect_fuzz(NAME SOURCE [LINK LIBS...])
function(coprotect_fuzz name source)
  if(NOT COPROTECT_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} coprotect_warnings)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzz_targets ${name})
endfunction()

# coprotect_benchmark(NAME SOURCES... [LINK LIBS...])
function(coprotect_benchmark name)
  if(NOT COPROTECT_BENCHMARKS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} coprotect_warnings benchmark::benchmark)
endfunction()
