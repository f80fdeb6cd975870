# Where the packages come from. Used by the build and, installed beside vdbConfig.cmake, by whoever
# links vdb. RocksDB, OpenBLAS, ICU and HDF5 are linked from their archives; the serial OpenBLAS is
# never used (it computes wrong numbers under threads). Thread-sanitizer builds take the shared
# RocksDB and ICU, which the sanitizer can tell apart from our code.
find_package(Threads REQUIRED)

if(NOT TARGET vdb_rocksdb)
  find_path(VDB_ROCKSDB_INCLUDE rocksdb/db.h REQUIRED)
  add_library(vdb_rocksdb INTERFACE IMPORTED)
  target_include_directories(vdb_rocksdb SYSTEM INTERFACE ${VDB_ROCKSDB_INCLUDE})
  if(VDB_SANITIZE MATCHES "thread")
    find_library(VDB_ROCKSDB_SHARED NAMES librocksdb.so REQUIRED)
    target_link_libraries(vdb_rocksdb INTERFACE ${VDB_ROCKSDB_SHARED} Threads::Threads)
  else()
    foreach(name rocksdb gflags snappy z bz2 lz4 zstd)  # this order
      find_library(VDB_LIB_${name} NAMES lib${name}.a REQUIRED)
      target_link_libraries(vdb_rocksdb INTERFACE ${VDB_LIB_${name}})
    endforeach()
    target_link_libraries(vdb_rocksdb INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
  endif()
  find_library(VDB_LIB_z NAMES libz.a REQUIRED)

  # Ours, for backups; RocksDB has its own use of it.
  find_path(VDB_ZSTD_INCLUDE zstd.h REQUIRED)
  find_library(VDB_LIB_zstd NAMES libzstd.a REQUIRED)
  add_library(vdb_zstd INTERFACE IMPORTED)
  target_include_directories(vdb_zstd SYSTEM INTERFACE ${VDB_ZSTD_INCLUDE})
  target_link_libraries(vdb_zstd INTERFACE ${VDB_LIB_zstd})

  find_path(VDB_OPENBLAS_INCLUDE NAMES cblas.h PATH_SUFFIXES x86_64-linux-gnu/openblas-pthread
            openblas-pthread REQUIRED)
  find_library(VDB_OPENBLAS NAMES libopenblas.a PATH_SUFFIXES openblas-pthread REQUIRED)
  find_library(VDB_GFORTRAN NAMES libgfortran.a PATHS /usr/lib/gcc/x86_64-linux-gnu/12)
  find_library(VDB_QUADMATH NAMES libquadmath.a PATHS /usr/lib/gcc/x86_64-linux-gnu/12)
  add_library(vdb_blas INTERFACE IMPORTED)
  target_include_directories(vdb_blas SYSTEM INTERFACE ${VDB_OPENBLAS_INCLUDE})
  target_link_libraries(vdb_blas INTERFACE ${VDB_OPENBLAS})
  if(VDB_GFORTRAN AND VDB_QUADMATH)
    target_link_libraries(vdb_blas INTERFACE ${VDB_GFORTRAN} ${VDB_QUADMATH})
  else()
    target_link_libraries(vdb_blas INTERFACE gfortran quadmath)
  endif()
  target_link_libraries(vdb_blas INTERFACE m Threads::Threads)

  find_path(VDB_ROARING_INCLUDE roaring/roaring.h REQUIRED)
  find_library(VDB_ROARING NAMES roaring REQUIRED)  # Debian has no archive of it
  add_library(vdb_roaring INTERFACE IMPORTED)
  target_include_directories(vdb_roaring SYSTEM INTERFACE ${VDB_ROARING_INCLUDE})
  target_link_libraries(vdb_roaring INTERFACE ${VDB_ROARING})

  # ICU's data is 30 MB of the executable, read as pages are needed.
  find_path(VDB_ICU_INCLUDE unicode/ubrk.h REQUIRED)
  add_library(vdb_icu INTERFACE IMPORTED)
  target_include_directories(vdb_icu SYSTEM INTERFACE ${VDB_ICU_INCLUDE})
  if(VDB_SANITIZE MATCHES "thread")
    find_library(VDB_ICU_SHARED NAMES libicuuc.so REQUIRED)
    target_link_libraries(vdb_icu INTERFACE ${VDB_ICU_SHARED})
  else()
    find_library(VDB_ICU NAMES libicuuc.a REQUIRED)
    find_library(VDB_ICU_DATA NAMES libicudata.a REQUIRED)
    target_link_libraries(vdb_icu INTERFACE ${VDB_ICU} ${VDB_ICU_DATA} Threads::Threads
                          ${CMAKE_DL_LIBS})
  endif()

  find_path(VDB_HDF5_INCLUDE hdf5.h PATH_SUFFIXES hdf5/serial REQUIRED)
  add_library(vdb_hdf5 INTERFACE IMPORTED)
  target_include_directories(vdb_hdf5 SYSTEM INTERFACE ${VDB_HDF5_INCLUDE})
  foreach(name hdf5_serial sz aec)  # this order; then zlib
    find_library(VDB_LIB_${name} NAMES lib${name}.a REQUIRED)
    target_link_libraries(vdb_hdf5 INTERFACE ${VDB_LIB_${name}})
  endforeach()
  target_link_libraries(vdb_hdf5 INTERFACE ${VDB_LIB_z} m ${CMAKE_DL_LIBS})
endif()
