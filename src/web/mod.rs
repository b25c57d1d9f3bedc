//! The scan door and the kiosk: request → reply (pure).
