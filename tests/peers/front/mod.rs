//! What stands around several nodes: the proxy and the balancer with the shipped files, and callers who keep count.

pub(crate) mod balancer;
pub(crate) mod callers;
pub(crate) mod example;
pub(crate) mod proxy;
pub(crate) mod registrar;
pub(crate) mod tls_front;
