//! Holds the copy against the upstream, row for row.
