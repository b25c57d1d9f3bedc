//! Every bound of the HTTP service that is not a setting.

use std::num::NonZeroU32;
use std::time::Duration;

/// The head of a request: start line and headers. More gets 431.
pub(crate) const HEAD_BYTES_MAX: usize = 8 * 1024;
/// What hyper holds of one connection in either direction.
pub(crate) const BUFFER_BYTES_MAX: usize = 16 * 1024;
/// A connection without progress for this long is dropped: its peer does not read.
pub(crate) const STALLED_MAX: Duration = Duration::from_secs(60);
/// A connection whose reply is not read for this long may make room for another one.
pub(crate) const UNREAD_MAX: Duration = Duration::from_secs(5);
/// How long a connection that was asked to end may finish its request.
pub(crate) const LAST_REQUEST: Duration = Duration::from_secs(10);
/// A pause after the system refused a connection, so that a full file table does not become a busy loop.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Photographs of the largest size in memory at once. Smaller ones, and those that are still coming, are more.
pub(crate) const UPLOADS_MAX: usize = 8;
/// Memory for photographs is taken in pieces of so many bytes, as they come.
pub(crate) const MEMORY_PIECE: usize = 64 * 1024;
/// A photograph may take longer than other requests while so many bytes of it come within each time of a request: 52 kbit/s.
pub(crate) const PHOTOGRAPH_BYTES_MIN: usize = 64 * 1024;
/// The longest time in which a photograph comes.
pub(crate) const PHOTOGRAPH_UPLOAD_TIME: Duration = Duration::from_secs(60);
/// Photographs being read at once.
pub(crate) const PHOTOGRAPHS_MAX: usize = 1;
/// How long a photograph waits for its turn: longer than the photographs of one client take.
pub(crate) const PHOTOGRAPH_WAIT: Duration = Duration::from_secs(10);
/// Composed replies kept; each is 2 to 3 KiB.
pub(crate) const REPLIES_MAX: usize = 8_192;
/// How long the rest of a refused body is read, so that its sender gets to see the reply, and the longest pause in it.
pub(crate) const LEFTOVER_TIME: Duration = Duration::from_secs(10);
pub(crate) const LEFTOVER_PAUSE: Duration = Duration::from_secs(1);
/// How long a drawn flow diagram is kept.
pub(crate) const DIAGRAM_KEPT: Duration = Duration::from_secs(10);
/// When a busy server wants to be asked again.
pub(crate) const BUSY_RETRY: Duration = Duration::from_secs(2);
/// Ratings of one kiosk, and of one address, within a minute; one more is thanked for and not recorded.
pub(crate) const RATINGS_PER_MINUTE: Option<NonZeroU32> = NonZeroU32::new(30);
/// Ratings of all kiosks within a minute.
pub(crate) const RATINGS_TOTAL_PER_MINUTE: Option<NonZeroU32> = NonZeroU32::new(30_000);
/// Wrong one-time codes of one address, and of all addresses, within a window.
pub(crate) const CODES_WRONG: Option<NonZeroU32> = NonZeroU32::new(20);
pub(crate) const CODES_TOTAL: Option<NonZeroU32> = NonZeroU32::new(1_000);
pub(crate) const CODES_WINDOW: Duration = Duration::from_secs(600);
/// Photographs of strangers, of the largest size, in memory at once.
pub(crate) const STRANGERS_UPLOADS_MAX: usize = 4;
/// Photographs of one address, and of all strangers, within a window.
pub(crate) const STRANGERS_PHOTOGRAPHS: Option<NonZeroU32> = NonZeroU32::new(60);
pub(crate) const STRANGERS_PHOTOGRAPHS_TOTAL: Option<NonZeroU32> = NonZeroU32::new(6_000);
pub(crate) const STRANGERS_PHOTOGRAPHS_WINDOW: Duration = Duration::from_secs(3600);
/// Inquiries of strangers that wait at once while a total is exceeded; one more gets 503.
pub(crate) const STRANGERS_WAITING_MAX: usize = 64;
