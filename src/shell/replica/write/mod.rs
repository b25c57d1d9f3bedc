//! Changes on their way into the file: batches, the one writer thread, rebuilds.

pub(crate) mod apply;
pub(crate) mod batch;
pub(crate) mod batch_run;
pub(crate) mod external_sort;
pub(crate) mod handle;
pub(crate) mod line_reader;
pub(crate) mod publish;
pub(crate) mod rebuild;
pub(crate) mod swap;
pub(crate) mod writer;
