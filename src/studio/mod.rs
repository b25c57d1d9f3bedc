//! The prompt operator's workshop (pure).
