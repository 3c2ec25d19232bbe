"""Tools of those who write tasks: proofs, test strength, importers, a generator, difficulty by measurement."""
