//! Memory of the whole process.

/// Gives memory that is free back to the system, as far as the allocator can; it keeps it otherwise after a flood.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes no pointer, and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
