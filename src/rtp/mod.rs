//! RTP (RFC 3550), RTCP and RFC 4733 keys, sans-IO.
