//! How media threads read and write their sockets.

/// Which way is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MediaIo {
    /// io_uring if it works here, else epoll.
    #[default]
    Auto,
    /// io_uring, or no start.
    Uring,
    /// epoll.
    Epoll,
}

impl MediaIo {
    /// Every way.
    pub const ALL: [MediaIo; 3] = [MediaIo::Auto, MediaIo::Uring, MediaIo::Epoll];

    /// As it stands in the settings.
    pub fn name(self) -> &'static str {
        match self {
            MediaIo::Auto => "auto",
            MediaIo::Uring => "uring",
            MediaIo::Epoll => "epoll",
        }
    }
}
