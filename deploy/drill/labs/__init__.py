"""Labs as a drill needs them: one file a kind of lab."""
