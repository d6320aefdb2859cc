"""The page on which a recording of a voice becomes a side-by-side video."""
