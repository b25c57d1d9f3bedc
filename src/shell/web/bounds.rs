//! Every bound of the web server that is not a setting.

use std::time::Duration;

/// The head of a request: start line and headers. More gets 431.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;
/// What hyper holds of one connection in either direction.
pub const BUFFER_BYTES_MAX: usize = 16 * 1024;
/// A connection on which nothing moves for so long is dropped: its peer does not read.
pub const STALLED_MAX: Duration = Duration::from_secs(60);
/// How long a connection that was asked to end may finish its request.
pub const LAST_REQUEST: Duration = Duration::from_secs(10);
/// A pause after the system refused a connection, so that a full file table does not become a busy loop.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Photographs in memory, and photographs being read, at once.
pub const UPLOADS_MAX: usize = 8;
pub const PHOTOGRAPHS_MAX: usize = 1;
/// How long a photograph waits for its turn.
pub const PHOTOGRAPH_WAIT: Duration = Duration::from_secs(5);
/// Composed replies kept; each is 2 to 3 KiB.
pub const REPLIES_MAX: usize = 8_192;
/// How long the rest of a refused body is read, so that its sender gets to see the reply.
pub const LEFTOVER_TIME: Duration = Duration::from_secs(1);
/// When a busy server wants to be asked again.
pub const BUSY_RETRY: Duration = Duration::from_secs(2);
/// Ratings from one address within a minute; one more is thanked and not recorded.
pub const RATINGS_PER_MINUTE: u32 = 30;
