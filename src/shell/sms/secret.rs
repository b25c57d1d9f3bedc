//! Secrets of carriers, which are in files alone.

use std::path::Path;

/// The first line of a file; empty where there is none. Read for each use, so that a changed secret needs no restart.
pub(crate) async fn read(path: Option<&Path>) -> Result<String, &'static str> {
    let Some(path) = path else { return Ok(String::new()) };
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
    match read {
        Ok(Ok(text)) => Ok(text.lines().next().unwrap_or_default().trim().to_owned()),
        Ok(Err(_)) | Err(_) => Err("the file of its secret cannot be read: see `jindu check`"),
    }
}
