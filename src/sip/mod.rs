//! SIP for a user agent server, sans-IO: messages, the legs of calls, digests of what to answer without a call.
