//! The copy that knows its age: change batches, marks, rows, quarantine (pure).
