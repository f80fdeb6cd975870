# The targets of decoders: NAME_fuzz.cc each, corpus/NAME.
set(VDB_FUZZ_TARGETS backup csv document entries epoch files import index json ledger manifest
    metadata records segment vectors)
