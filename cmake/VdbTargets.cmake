# vdb_add_layer(NAME SOURCES... LINKS layer... PRECOMPILE headers...): one object library per folder.
# LINKS name the layers below, so an upward include does not even find its header's build flags;
# tests/layers checks the rest.
find_package(FlatBuffers CONFIG REQUIRED)

add_library(vdb_flags INTERFACE)
target_compile_options(vdb_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
  # GCC 12 reports these falsely through std::variant and std::string at -O2 and above.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overread
                          -Wno-array-bounds -Wno-stringop-overflow>)
if(VDB_SANITIZE)
  target_compile_options(vdb_flags INTERFACE -fsanitize=${VDB_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(vdb_flags INTERFACE -fsanitize=${VDB_SANITIZE})
endif()

# Half of a compiler's time goes into headers that all files of a folder share. With ccache they are
# left as they are: it is the faster of the two, and shows a header that a file forgot to include.
set(precompile ON)
if(CMAKE_CXX_COMPILER_LAUNCHER)
  set(precompile OFF)
endif()
option(VDB_PRECOMPILE "Precompile the headers that a folder shares" ${precompile})

set(VDB_LAYERS "" CACHE INTERNAL "")

function(vdb_add_layer name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS;PRECOMPILE" ${ARGN})
  add_library(vdb_${name} OBJECT ${arg_SOURCES})
  target_include_directories(vdb_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
)
  target_include_directories(vdb_${name} SYSTEM PRIVATE ${PROJECT_BINARY_DIR})  # generated
  target_link_libraries(vdb_${name} PRIVATE vdb_flags ${arg_LINKS})
  if(VDB_PRECOMPILE AND arg_PRECOMPILE)
    target_precompile_headers(vdb_${name} PRIVATE ${arg_PRECOMPILE})
  endif()
  set(VDB_LAYERS "${VDB_LAYERS};${name}" CACHE INTERNAL "")
endfunction()

function(vdb_add_library_and_install)
  add_library(vdb STATIC)
  add_library(vdb::vdb ALIAS vdb)
  foreach(layer ${VDB_LAYERS})
    target_sources(vdb PRIVATE $<TARGET_OBJECTS:vdb_${layer}>)
  endforeach()
  set_target_properties(vdb PROPERTIES LINKER_LANGUAGE CXX)
  target_compile_features(vdb INTERFACE cxx_std_20)
  target_include_directories(vdb INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(vdb INTERFACE vdb_rocksdb vdb_blas vdb_roaring vdb_icu vdb_hdf5 vdb_zstd)
  if(VDB_SANITIZE)
    target_link_options(vdb INTERFACE -fsanitize=${VDB_SANITIZE})
  endif()

  include(CMakePackageConfigHelpers)
  set(dir ${CMAKE_INSTALL_LIBDIR}/cmake/vdb)
  install(TARGETS vdb EXPORT vdbTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/vdb DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT vdbTargets NAMESPACE vdb:: DESTINATION ${dir})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/vdbConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_SOURCE_DIR}/cmake/vdbConfig.cmake
                ${PROJECT_SOURCE_DIR}/cmake/VdbDependencies.cmake
                ${PROJECT_BINARY_DIR}/vdbConfigVersion.cmake DESTINATION ${dir})
endfunction()
