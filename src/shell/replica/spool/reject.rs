//! Moves a file that can never be applied to `spool/rejected`, logs and counts it.

use std::ffi::OsStr;
use std::io;

use feed::printable;

use crate::metrics::count;
use crate::spool::archive::SpoolFolders;
use crate::spool::rejection::Rejection;
use crate::write::handle::WriterHandle;

/// Rejects a file.
pub(crate) fn reject(writer: &WriterHandle, name: &OsStr, folders: &SpoolFolders, why: &Rejection) -> io::Result<()> {
    tracing::error!(file = printable(name), why = Rejection::NAMES[why.index()], "feed_file_rejected: {why}");
    count(&writer.shared.metrics.feed.rejected[why.index()]);
    count(&writer.shared.metrics.batches_rejected);
    folders.reject(name, &why.to_string(), writer.shared.steady())
}

/// The alarm's text for a file that cannot be read.
pub(crate) fn unreadable(name: &OsStr, error: &io::Error) -> String {
    format!("{}: {error}; give the user that runs jindu the right to read the files of the spool", printable(name))
}
