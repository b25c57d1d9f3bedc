//! Look-ups: the cache, the queue of reads, and the threads that read the file.

pub(crate) mod cache;
pub(crate) mod queue;
pub(crate) mod readers;
